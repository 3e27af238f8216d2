"""Whether labels hold across species, by orthologs: pancreas of human on mouse, and the other way.

    python -m benchmarks.species

Cells of the types that both have are mapped with ``orthologs``, whole and with fewer counts and
genes. Atlases are kept in ``benchmarks/cache/species``; figures go to
``benchmarks/results/species.json`` and ``docs/mapping.md``, and with ``--table`` nothing else is
done than to show them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import anndata
import numpy as np

import cellport
from benchmarks.accuracy.stress import CONDITIONS, degrade
from benchmarks.panels.cases import labelled
from benchmarks.panels.methods import train
from benchmarks.shared.command import measure_and_show, parser
from benchmarks.shared.data import Dataset
from benchmarks.shared.results import ROOT, facts, markdown
from cellport.runtime.columns import JOINED_BY, LABEL, LABEL_SET, NOVEL, PROB
from cellport.train.labels.scores import label_scores

MARK, PAGE = "benchmarks.species", ROOT / "docs" / "mapping.md"
SPECIES = {
    "human": Dataset("human_pancreas_3donors", batch="donor"),
    "mouse": Dataset("mouse_pancreas_1mouse", batch="library"),
}
# what is done to the query: names of `benchmarks.accuracy.stress`, and in words
TRIED = {
    "full": "whole",
    "umi300": "300 counts",
    "missing50_umi1000": "half of the genes, 1,000 counts",
    "missing80": "a fifth of the genes",
}


def run(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Map each species on the other, and yield a row a condition."""
    options.cache.mkdir(parents=True, exist_ok=True)
    for reference, query in (("human", "mouse"), ("mouse", "human")):
        path = options.cache / f"{reference}.cellport"
        dataset = SPECIES[reference]
        train(labelled(dataset.read(), dataset), path, seed=0)
        atlas = cellport.load_atlas(path)
        cells = SPECIES[query].read()
        cells = cells[cells.obs["cell_type"].isin(atlas.manifest.labels)].copy()
        for stress, words in TRIED.items():
            row: dict[str, Any] = {"query": query, "reference": reference, "condition": words}
            row |= judged(atlas, degrade(cells, CONDITIONS[stress]))
            print(row, flush=True)
            yield row


def judged(atlas: cellport.Atlas, cells: anndata.AnnData) -> dict[str, float]:
    """Score labels, probabilities, label sets and what is called novel."""
    truth = cells.obs["cell_type"].to_numpy(str).astype(object)
    found = atlas.map(cells, orthologs=True, minimum_genes=0)
    label = np.asarray(found[LABEL]).astype(str).astype(object)
    scores = label_scores(truth, label, found[PROB])
    sets = [str(names).split(JOINED_BY) for names in found[LABEL_SET]]
    inside = [one in names for one, names in zip(truth, sets, strict=True)]
    sign = float(np.mean(found[PROB])) - scores["accuracy"]
    return {name: round(float(score), 4) for name, score in scores.items()} | {
        "sign": round(sign, 4),
        "sets": round(float(np.mean(inside)), 4),
        "level": atlas.manifest.thresholds.set_level,
        "novel": round(float(np.mean(found[NOVEL])), 4),
        "genes": int(found.uns["cellport"]["genes"]["n_matched"]),
    }


def table(made: dict[str, Any]) -> str:
    """Set the conditions one below the other."""
    rows = made["runs"]
    shown = [
        [
            f"{row['query']} on {row['reference']}",
            row["condition"],
            f"{row['genes']:,}",
            *(f"{row[name]:.2f}" for name in ("accuracy", "macro_f1")),
            f"{row['ece']:.3f} ({'too sure' if row['sign'] > 0 else 'too modest'})",
            *(f"{row[name]:.2f}" for name in ("sets", "novel")),
        ]
        for row in rows
    ]
    head = ("cells", "query", "genes", "accuracy", "macro-F1", "ECE", "in set", "novel")
    said = (
        f"Label sets promise {rows[0]['level']:.0%} within a species ({made['date']}, pancreas, "
        "types that both have)."
    )
    return f"{said}\n\n{markdown(head, shown, 'llrrrrrr')}"


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Map each species on the other."""
    return facts() | {"runs": list(run(options))}


def main() -> None:
    """Run what is asked for and print the table."""
    measure_and_show(parser("species", __doc__, "table out cache"), measure, table, PAGE, MARK)


if __name__ == "__main__":
    main()
