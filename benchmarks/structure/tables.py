"""Tables of the benchmark of trajectories and clusters, in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from benchmarks.shared.results import markdown

Rows = list[dict[str, Any]]
NAMES = {
    "cellport": "cellport without labels",
    "cellport_labels": "cellport with labels",
    "dpt": "DPT, all cells",
    "palantir": "Palantir, all cells",
    "Leiden on pca": "Leiden on PCA",
    "Leiden on scvi": "Leiden on scVI",
    "Leiden on cellport": "Leiden on the latent of cellport without labels",
    "Leiden on cellport_labels": "Leiden on the latent of cellport with labels",
    "pca": "PCA",
    "harmony": "Harmony",
    "scvi": "scVI",
    "scanvi": "SCANVI, with labels",
}
SCORES = ("Bio conservation", "Batch correction", "Total")


def tables(result: dict[str, Any]) -> str:
    """Set all tables, with date and machine."""
    parts = [f"{result['date']}, {result['machine']}."]
    if result["trajectories"]:
        parts += [ordering(result["trajectories"]), certainty(result["trajectories"])]
    if result["clusters"]:
        parts.append(clustering(result["clusters"]))
    if result["scib"]:
        parts.append(integration(result["scib"]))
    return "\n\n".join(parts)


def ordering(rows: Rows) -> str:
    """Rank correlation of pseudotime with the truth: mean of the seeds, and their range."""

    def cell(some: Rows) -> str:
        values = [row["spearman"]["mean"] for row in some]
        return f"{np.mean(values):.3f} ({min(values):.3f}-{max(values):.3f})"

    return _table("Spearman, pseudotime and truth", rows, cell)


def certainty(rows: Rows) -> str:
    """Coverage of 90 % intervals and how often the backbone is right, of cellport."""
    ours = [row for row in rows if "coverage" in row]

    def cell(some: Rows) -> str:
        values = [row["coverage"] for row in some]
        right = [row["backbone_right"] for row in some if "backbone_right" in row]
        graph = f"; backbone {sum(right)} of {len(right)}" if right else ""
        return f"{np.mean(values):.2f} ({min(values):.2f}-{max(values):.2f}){graph}"

    return _table("Coverage of 90 % intervals", ours, cell)


def clustering(rows: Rows) -> str:
    """Agreement with labels; Leiden at the one resolution with the highest mean."""
    chosen: Rows = []
    for method in _unique(row["method"] for row in rows):
        own = [row for row in rows if row["method"] == method]
        resolution = best_resolution(own)
        chosen += [row for row in own if row.get("resolution") == resolution]

    def cell(some: Rows) -> str:
        ari, nmi = (np.mean([row[score] for row in some]) for score in ("ari", "nmi"))
        return f"{ari:.3f} / {nmi:.3f}"

    return _table("ARI / NMI of clusters and labels", chosen, cell, total=True)


def best_resolution(rows: Rows) -> float | None:
    """Resolution with the highest mean ARI over datasets, each counting the same."""
    means = {}
    for resolution in {row.get("resolution") for row in rows}:
        some = [row for row in rows if row.get("resolution") == resolution]
        means[resolution] = _mean_over_datasets(some, "ari")
    return max(means, key=lambda resolution: means[resolution])


def integration(rows: Rows) -> str:
    """Scores of scib-metrics, mean over seeds and datasets, and the total of each dataset."""
    datasets = _unique(row["dataset"] for row in rows)
    lines = []
    for method in _unique(row["method"] for row in rows):
        own = [row for row in rows if row["method"] == method]
        cells = [_mean_over_datasets([row["scores"] | row for row in own], s) for s in SCORES]
        for dataset in datasets:
            some = [row["scores"]["Total"] for row in own if row["dataset"] == dataset]
            cells.append(float(np.mean(some)) if some else np.nan)
        words = ["-" if np.isnan(value) else f"{value:.3f}" for value in cells]
        lines.append([NAMES[method], *words])
    return markdown(["scIB", *(name.lower() for name in SCORES), *datasets], lines)


def _mean_over_datasets(rows: Rows, score: str) -> float:
    datasets = _unique(row["dataset"] for row in rows)
    return float(
        np.mean([np.mean([r[score] for r in rows if r["dataset"] == name]) for name in datasets])
    )


def _table(title: str, rows: Rows, cell: Callable[[Rows], str], total: bool = False) -> str:
    datasets = _unique(row["dataset"] for row in rows)
    methods = _unique(row["method"] for row in rows)
    having = {name: {row["method"] for row in rows if row["dataset"] == name} for name in datasets}
    common = [name for name in datasets if len(having[name]) == len(methods)]
    which = "mean" if len(common) == len(datasets) else f"mean of {', '.join(common)}"
    lines = []
    for method in methods:
        own = [row for row in rows if row["method"] == method]
        cells = []
        for dataset in datasets:
            some = [row for row in own if row["dataset"] == dataset]
            cells.append(cell(some) if some else "-")
        if total:
            both = [row for row in own if row["dataset"] in common]
            means = (_mean_over_datasets(both, score) for score in ("ari", "nmi"))
            cells.append("**" + " / ".join(f"{value:.3f}" for value in means) + "**")
        resolution = own[0].get("resolution")
        name = NAMES[method] + (f", resolution {resolution}" if resolution else "")
        lines.append([name, *cells])
    return markdown([title, *datasets, *([which] if total else ())], lines)


def _unique(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))
