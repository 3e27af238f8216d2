"""The picture of the page: cells of the developing pancreas on an atlas of others.

    python -m benchmarks.mapping.page_picture

Three quarters of the cells, at random, are the reference, the others the query. The picture goes to
``docs/images/page.png``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import cellport
from benchmarks.mapping.browser import served, visit
from benchmarks.shared.command import parser
from benchmarks.shared.data import PANCREAS
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


def main() -> None:
    command = parser("mapping.page_picture", __doc__, "out cache")
    command.set_defaults(out=IMAGES / "page.png")
    options = command.parse_args()
    prepare(options.cache)
    steps: list[list[Any]] = [
        ["verified"],
        ["choose", [str((options.cache / "my_cells.h5ad").resolve())]],
        ["mapped"],
        ["wait", 1000],
        ["evaluate", ["focus", "document.activeElement.blur()"]],
        ["wait", 300],
        ["view", options.out.name],
    ]
    with served(options.cache / "site") as address:
        visit(address, options.out.parent, steps, height=960)


if __name__ == "__main__":
    main()
