"""An atlas of 100,000 reference cells, and cells to extend it by."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import anndata
import numpy as np

from benchmarks.extend.cases import DATASETS, Case, cases
from cellport.runtime.atlas.file import npy_bytes, open_atlas_file, write_atlas_file

OLD, NEW = 100_000, 1_000
_OF_TYPE = ("cell lines", "A549")


def large_atlas(folder: Path) -> tuple[Path, anndata.AnnData]:
    """Return an atlas whose reference cells are there many times over, and cells of a new type.

    How long it takes depends on how many there are, not on their being different ones.
    """
    (case,) = cases([_OF_TYPE[0]], _OF_TYPE[1])
    path = folder / "large.cellport"
    if not path.exists():
        _repeated(open_atlas_file(case.trained(folder, 0)), path)
    return path, _cells(case)


def _cells(case: Case) -> anndata.AnnData:
    rows = np.flatnonzero((case.label == case.added) & ~case.asked)
    cells = case.cells[np.random.default_rng(0).choice(rows, NEW)].copy()
    cells.obs_names = [f"new{at}" for at in range(NEW)]
    cells.obs["cell_type"] = cells.obs[DATASETS[case.dataset].label].astype(str)
    return cells


def _repeated(atlas: Any, path: Path) -> None:
    members = {name: bytes(atlas.read(name)) for name in atlas.members}
    n = len(atlas.array("reference_latent"))
    rows = np.arange(OLD) % n
    for name in ("latent", "umap", "label", "batch"):
        values = atlas.array(f"reference_{name}")[rows]
        members[f"arrays/reference_{name}.npy"] = npy_bytes(values)
    names = "\n".join(f"old{at}" for at in range(OLD)).encode()
    members["arrays/reference_names.npy"] = npy_bytes(np.frombuffer(names, np.uint8))
    made = replace(atlas.manifest.provenance, cells=OLD)
    write_atlas_file(path, replace(atlas.manifest, provenance=made), members)
