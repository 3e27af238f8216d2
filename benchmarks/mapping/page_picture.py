"""The pictures of the page and of a report.

    python -m benchmarks.mapping.page_picture

On the page are cells of the developing pancreas on an atlas of others: three quarters of the cells,
at random, are the reference, the others the query. The report is of blood cells on the atlas
``human``. The pictures go to ``docs/images/page.png`` and ``report.png``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import cellport
from benchmarks.mapping.browser import served, visit
from benchmarks.shared.command import parser
from benchmarks.shared.data import PANCREAS, PBMC
from benchmarks.shared.results import IMAGES
from cellport.web.server.publish import publish


def prepare(folder: Path) -> None:
    """Split the cells, train, and publish, once."""
    if (folder / "site").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    cells = PANCREAS.read()
    inside = np.random.default_rng(0).random(cells.n_obs) < 0.75
    cells[~inside].copy().write_h5ad(folder / "my_cells.h5ad", compression="gzip")
    atlas = cellport.train_atlas(
        cells[inside].copy(),
        folder / "pancreas.cellport",
        labels=PANCREAS.label,
        root=("Ductal",),
        name="Mouse pancreas, endocrinogenesis",
    )
    publish(atlas, folder / "site")


def page(cache: Path, out: Path) -> None:
    """Drop the cells onto the page, and look."""
    prepare(cache)
    steps: list[list[Any]] = [
        ["verified"],
        ["choose", [str((cache / "my_cells.h5ad").resolve())]],
        ["mapped"],
        ["wait", 1000],
        ["evaluate", ["focus", "document.activeElement.blur()"]],
        ["wait", 300],
        ["view", out.name],
    ]
    with served(cache / "site") as address:
        visit(address, out.parent, steps, height=960)


def report(cache: Path, out: Path) -> None:
    """Map blood cells of one study with a report, and look at its first page."""
    folder = cache / "report"
    folder.mkdir(parents=True, exist_ok=True)
    cells = PBMC.read()
    query = folder / "my_cells.h5ad"
    cells[cells.obs[PBMC.batch] == "10x_pbmc3k"].copy().write_h5ad(query, compression="gzip")
    how = [query], folder / "mapped.h5ad"
    cellport.map_files(cellport.load_atlas("human"), *how, report=folder / "index.html")
    with served(folder) as address:
        visit(address, out.parent, [["wait", 1000], ["view", out.name]], height=1500)


def main() -> None:
    command = parser("mapping.page_picture", __doc__, "out cache")
    command.set_defaults(out=IMAGES)
    options = command.parse_args()
    page(options.cache, options.out / "page.png")
    report(options.cache, options.out / "report.png")


if __name__ == "__main__":
    main()
