"""The picture of the page: cells of the developing pancreas on an atlas of others.

    python benchmarks/page_picture.py

Three quarters of the cells, at random, are the reference, the others the query. The picture goes to
``docs/images/page.png``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import anndata
import numpy as np
from page import served, visit
from splits import data_folder

import cellport
from cellport.web.server.publish import publish

HERE = Path(__file__).resolve().parent
IMAGES = HERE.parent / "docs" / "images"
CACHE = HERE / "cache" / "page_picture"


def prepare(folder: Path) -> None:
    """Split the cells, train, and publish, once."""
    if (folder / "site").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    cells = anndata.read_h5ad(data_folder() / "mouse_pancreas_endocrinogenesis.h5ad")
    inside = np.random.default_rng(0).random(cells.n_obs) < 0.75
    cells[~inside].copy().write_h5ad(folder / "my_cells.h5ad", compression="gzip")
    atlas = cellport.train_atlas(
        cells[inside].copy(),
        folder / "pancreas.cellport",
        labels="cell_type",
        root=("Ductal",),
        name="Mouse pancreas, endocrinogenesis",
    )
    publish(atlas, folder / "site")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=CACHE)
    options = parser.parse_args()
    prepare(options.folder)
    steps = [
        ["verified"],
        ["choose", [str((options.folder / "my_cells.h5ad").resolve())]],
        ["mapped"],
        ["wait", 1000],
        ["evaluate", ["focus", "document.activeElement.blur()"]],
        ["wait", 300],
        ["view", "page.png"],
    ]
    with served(options.folder / "site") as address:
        visit(address, IMAGES, steps, height=960)


if __name__ == "__main__":
    main()
