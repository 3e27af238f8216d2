"""Generated cells to train on, as a whole file and on their panel alone."""

from __future__ import annotations

from pathlib import Path

import anndata

from benchmarks.shared.data import LUNG
from benchmarks.shared.tiled import kept_file
from cellport.train.reference.panel import select_panel
from cellport.train.reference.reference import read_reference

GENES = 2000


def whole_file(folder: Path, n_cells: int) -> Path:
    """Return a file of so many generated cells, made once."""
    return kept_file(folder / f"tiled_{n_cells}.h5ad", n_cells, None)


def panel_file(path: Path) -> Path:
    """Write the panel's genes of the first 100,000 cells to a file of their own, once."""
    panel = path.with_name(f"panel_{path.name}")
    if not panel.exists():
        reference = read_reference(path, LUNG.label, LUNG.batch)
        genes = select_panel(reference.counts, reference.batch, GENES)
        cells = anndata.read_h5ad(path, backed="r")[:100_000].to_memory()[:, genes].copy()
        cells.write_h5ad(panel)
    return panel
