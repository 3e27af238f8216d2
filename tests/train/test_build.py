from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from cellport.runtime.errors import CellportError
from cellport.train.build import build_atlas
from cellport.train.progress import Progress
from cellport.train.reference.reference import Reference


def _reference(tiny_cells: Any) -> Reference:
    labels, label = np.unique(tiny_cells.label, return_inverse=True)
    batches, batch = np.unique(tiny_cells.batch, return_inverse=True)
    names = np.array([f"cell{i}" for i in range(len(label))], object)
    columns = {"index": tiny_cells.symbols}
    annotations = {"depth": np.arange(len(label)).astype(str).astype(object)}
    return Reference(
        tiny_cells.counts, columns, names, tuple(labels), label, tuple(batches), batch, "cells",
        annotations=annotations,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"root": ("nobody",)}, "--root 'nobody' is not a label"),
        ({"root_cell": ("nobody",)}, "--root-cell 'nobody' is not the name"),
        ({"label_tree": ("depth",)}, "'depth' is no coarser version of the labels"),
    ],
)
def test_what_the_reference_lacks_is_refused_before_training(
    tiny_cells: Any, tiny_config: Any, settings: dict[str, Any], words: str
) -> None:
    seen: list[Progress] = []
    config = replace(tiny_config, **settings)
    with pytest.raises(CellportError, match=words):
        build_atlas(_reference(tiny_cells), config, on_progress=seen.append)
    assert not seen


def test_what_makes_the_atlas_worse_than_its_figures_stays_with_it(
    tiny_cells: Any, tiny_config: Any
) -> None:
    once = _reference(tiny_cells)
    twice = {name: np.concatenate([getattr(once, name)] * 2) for name in ("label", "cell_names")}
    copied = replace(
        once,
        counts=sp.vstack([once.counts] * 2, format="csr"),
        batches=("one", "two"),
        batch=np.repeat([0, 1], len(once.label)),
        annotations={},
        **twice,
    )
    seen: list[Progress] = []
    manifest, members = build_atlas(copied, tiny_config, on_progress=seen.append)
    (caution,) = manifest.provenance.cautions
    assert caution.startswith("480 of 480 cells have the very counts of another cell")
    assert caution in [progress.note for progress in seen]
    assert caution in members["README.md"].decode()
