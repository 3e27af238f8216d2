"""Encoded cells that nobody encoded, and what annotators are prepared from."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cellport.runtime.atlas.arrays import answers_of
from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.atlas.manifest import Manifest
from cellport.runtime.mapping.annotate.annotator import Setting
from cellport.runtime.mapping.encode import EncodedCells
from cellport.runtime.mapping.options import MapOptions


def _decode(latent: NDArray[np.floating], batch: str | None) -> NDArray[np.float32]:
    """Expected counts of forty genes: the first follows the cell, the others the batch."""
    level = np.full((len(latent), 40), len(batch or ""), np.float32)
    level[:, 0] = latent[:, 0]
    return level


def _setting(atlas: AtlasFile, share: float = 1.0, **options: Any) -> Setting:
    queries = options.pop("queries", ((), 0))
    return Setting(atlas, MapOptions(**options), _decode, {}, share, True, *queries)


def _cells(library: list[float], **answers: Any) -> EncodedCells:
    arrays = {name: np.asarray(values, np.float32) for name, values in answers.items()}
    return EncodedCells(0, arrays, np.array(library, np.float64))


def _any_cells(manifest: Manifest, n: int, seed: int) -> EncodedCells:
    """Cells with any answers, some of them without counts."""
    rng = np.random.default_rng(seed)
    answers = {
        name: rng.dirichlet(np.ones(shape[0]), n) if name.endswith("_prob") else
        rng.random((n, *shape))
        for name, shape in answers_of(manifest).items()
    }  # fmt: skip
    library = rng.integers(0, 4, n) * rng.lognormal(5, 2, n)
    return _cells(library.tolist(), **answers)


@pytest.fixture(scope="session")
def made() -> Any:
    """How to make settings and encoded cells."""
    return SimpleNamespace(setting=_setting, cells=_cells, any_cells=_any_cells)
