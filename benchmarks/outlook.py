"""Whether what a panel of genes is foretold to tell is what it tells.

    python -m benchmarks.outlook

Queries of eight splits are cut to 33, 100, 300 and 1,000 genes of the atlas's panel, drawn from
those that tell labels apart and from all, and labelled; beside it stands what
`cellport.panel_outlook` foretells for these genes at the query's depth, and how often labels are
right that were merged by it. To 33 genes at random, ten are added that are wanted most, or at
random. What made-up cells vary by was chosen on the first four splits. Atlases are kept in
``benchmarks/cache/outlook``; figures go to ``benchmarks/results/outlook.json`` and
``docs/mapping.md``, and with ``--table`` nothing else is done than to show them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import anndata
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score

import cellport
from benchmarks.panels.cases import SPLITS, labelled
from benchmarks.panels.methods import train
from benchmarks.shared.command import measure_and_show, parser
from benchmarks.shared.data import load_split
from benchmarks.shared.results import ROOT, facts, markdown
from cellport.runtime.columns import JOINED_BY, LABEL, MERGED

MARK, PAGE = "benchmarks.outlook", ROOT / "docs" / "mapping.md"
OTHERS = ("Kang donors", "PBMC Zheng", "PBMC Kang", "lung 10x")
SIZES = (33, 100, 300, 1000)
KINDS = ("telling", "random")
_AT_MOST = (3000, 1500)
_ADDED = 10


def run(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield a row a panel of genes."""
    options.cache.mkdir(parents=True, exist_ok=True)
    for name in (*SPLITS, *OTHERS):
        atlas, query = split(name, options.cache)
        for size in SIZES:
            for kind in KINDS:
                row = judged(atlas, query, drawn(atlas, query, size, kind))
                row |= {"query": name, "genes": size, "kind": kind}
                print(row, flush=True)
                yield row


def split(name: str, cache: Path) -> tuple[cellport.Atlas, anndata.AnnData]:
    """Return an atlas of the reference of a split, and its query."""
    cells, other, dataset = load_split(name, _AT_MOST)
    path = cache / f"{name.replace(' ', '_')}.cellport"
    train(labelled(cells, dataset), path, seed=0)
    return cellport.load_atlas(path), labelled(other, dataset)


def drawn(
    atlas: cellport.Atlas, query: anndata.AnnData, size: int, kind: str
) -> NDArray[np.object_]:
    """Draw genes that both have: of three times as many that differ most by label, or of all."""
    names = np.asarray(atlas.panel.names, object)
    there = np.flatnonzero(np.isin(names, query.var_names))
    if kind == "telling":
        differences = np.ptp(atlas.file.array("label_mean"), axis=0)
        there = there[np.argsort(-differences[there], kind="stable")][: 3 * size]
    chosen: NDArray[np.object_] = names[np.random.default_rng(size).permutation(there)[:size]]
    return chosen


def judged(
    atlas: cellport.Atlas, query: anndata.AnnData, genes: NDArray[np.object_]
) -> dict[str, Any]:
    """Set what was foretold beside what came."""
    found = cellport.panel_outlook(atlas, query[:, genes])
    f1, accuracy, merged = measured(atlas, query[:, genes])
    return {
        "depth": found.depth,
        "foretold_f1": found.macro_f1,
        "f1": f1,
        "foretold_accuracy": found.accuracy,
        "accuracy": accuracy,
        "groups": len(found.labels) - sum(len(group) - 1 for group in found.merged),
        "merged_accuracy": merged,
    }


def measured(atlas: cellport.Atlas, query: anndata.AnnData) -> tuple[float, float, float]:
    """Return macro-F1 and accuracy of labels, and of merged ones, of cells with counts."""
    truth = query.obs["label"].to_numpy(str)
    mapping = atlas.map(query, minimum_genes=0, merge_labels=True)
    label = np.asarray(mapping[LABEL]).astype(str)
    groups = [str(group).split(JOINED_BY) for group in mapping[MERGED]]
    inside = [one in group for one, group in zip(truth, groups, strict=True)]
    f1 = f1_score(truth, label, labels=np.unique(truth), average="macro", zero_division=0)
    return float(f1), float((truth == label).mean()), float(np.mean(inside))


def additions(cache: Path) -> Iterator[dict[str, Any]]:
    """Yield what ten wanted genes, and ten others, add to the macro-F1 of 33 random ones."""
    for name in (*SPLITS, *OTHERS):
        atlas, query = split(name, cache)
        names = [one for one in atlas.panel.names if one in set(query.var_names)]
        for seed in range(3):
            rng = np.random.default_rng(seed)
            first, others = np.split(rng.permutation(np.asarray(names, object)), [33])
            asked = cellport.panel_outlook(atlas, query[:, first], wanted=4 * _ADDED)
            wanted = [one for one in asked.wanted if one in set(others)][:_ADDED]
            before = measured(atlas, query[:, first])[0]
            added = {
                how: measured(atlas, query[:, [*first, *more]])[0] - before
                for how, more in (("wanted", wanted), ("random", others[:_ADDED]))
            }
            row = {"query": name, "seed": seed, "before": before, **added}
            print(row, flush=True)
            yield row


def table(made: dict[str, Any]) -> str:
    """Set what was foretold beside what came, and the sum of it."""
    rows, added = made["runs"], made["additions"]
    merged = np.array([row["merged_accuracy"] for row in rows])
    gains = {how: float(np.mean([row[how] for row in added])) for how in ("wanted", "random")}
    said = (
        f"The macro-F1 that was foretold is off by {_error(rows, 'telling', SPLITS)} for panels of "
        f"telling genes and {_error(rows, 'random', SPLITS)} for random ones on the mean of the "
        "four splits that the variation of made-up cells was chosen on, by "
        f"{_error(rows, 'telling', OTHERS)} and {_error(rows, 'random', OTHERS)} on four others; "
        f"its mean sign is {_signed(rows):+.3f}. Merged labels were right for .95 of the cells in "
        f"{int((merged >= 0.95).sum())} of {len(merged)} panels, {merged.mean():.2f} on the mean. "
        f"Ten genes that were wanted most add {gains['wanted']:.3f} to the macro-F1 of 33 random "
        f"ones, ten others {gains['random']:.3f} ({made['date']}, {made['machine']}). Foretold "
        "and measured macro-F1, and how many cells have the right merged label:"
    )
    head = ("query", "genes", *(f"{size:,} genes" for size in SIZES), "merged")
    shown = [_shown(rows, name, kind) for name in (*SPLITS, *OTHERS) for kind in KINDS]
    return f"{said}\n\n{markdown(head, shown, 'll' + len(SIZES) * 'r' + 'r')}"


def _error(rows: list[dict[str, Any]], kind: str, names: Sequence[str]) -> str:
    off = [
        abs(row["foretold_f1"] - row["f1"])
        for row in rows
        if row["kind"] == kind and row["query"] in names
    ]
    return f"{np.mean(off):.3f}".removeprefix("0")


def _signed(rows: list[dict[str, Any]]) -> float:
    return float(np.mean([row["foretold_f1"] - row["f1"] for row in rows]))


def _shown(rows: list[dict[str, Any]], name: str, kind: str) -> list[str]:
    of = {row["genes"]: row for row in rows if (row["query"], row["kind"]) == (name, kind)}
    told = [f"{of[size]['foretold_f1']:.2f}, {of[size]['f1']:.2f}" for size in SIZES]
    merged = np.mean([row["merged_accuracy"] for row in of.values()])
    return [name, kind, *told, f"{merged:.2f}"]


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Judge panels, and what is added to them."""
    return facts() | {"runs": list(run(options)), "additions": list(additions(options.cache))}


def main() -> None:
    """Run what is asked for and print the table."""
    measure_and_show(parser("outlook", __doc__, "table out cache"), measure, table, PAGE, MARK)


if __name__ == "__main__":
    main()
