"""Small panels of genes, counted on platforms that see each gene with an efficiency of its own.

    python -m benchmarks.panels

osmFISH of cortex on dissociated cortex, and four splits of real data whose queries are cut to 33,
100 and 300 genes that tell the reference's labels apart, each seen with an efficiency of its own
(`cases.py`). Labels come from an atlas of all genes as it is and with its query's genes rescaled,
from an atlas trained for the very genes, and from logistic regression refitted on them. Atlases are
kept in ``benchmarks/cache/panels``; figures go to ``benchmarks/results/panels.json`` and
``docs/validation.md``, and with ``--table`` nothing else is done than to show them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import torch

from benchmarks.panels.cases import Panel, panels
from benchmarks.panels.methods import Called, by_atlas, refitted, train
from benchmarks.panels.tables import MARK, PAGE, page_table
from benchmarks.shared.command import parser
from benchmarks.shared.results import facts, fill, read, write
from cellport.train.labels.scores import label_scores


def run(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Measure every panel, and yield a row a method."""
    options.cache.mkdir(parents=True, exist_ok=True)
    for panel in panels():
        stem = panel.name.replace(" ", "_").replace(",", "")
        atlas = options.cache / f"{stem}_{options.seed}.cellport"
        train(panel.reference, atlas, options.seed)
        for method, called in (by_atlas(atlas, panel, options.seed) | refitted(panel)).items():
            row = row_of(panel, method, called)
            print(row, flush=True)
            yield row


def row_of(panel: Panel, method: str, called: Called) -> dict[str, Any]:
    """Score one method on one panel."""
    truth = panel.query.obs["label"].to_numpy(str).astype(object)
    scores = label_scores(truth, called.label, called.prob)
    found = {"query": panel.name, "genes": panel.genes, "method": method}
    return (
        found | {name: round(score, 4) for name, score in scores.items()} | {"novel": called.novel}
    )


def main() -> None:
    """Run what is asked for and print the table."""
    command = parser("panels", __doc__, "table out cache")
    command.add_argument("--seed", type=int, default=0)
    options = command.parse_args()
    torch.set_num_threads(1)
    if not options.table:
        rows = list(run(options))
        write(options.out, facts() | {"seed": options.seed, "runs": rows})
    table = page_table(read(options.out))
    print(table)
    fill(PAGE, MARK, table)


if __name__ == "__main__":
    main()
