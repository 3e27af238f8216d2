from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cellport.runtime.errors import TrainingError
from cellport.train.build import build_atlas
from cellport.train.progress import Progress
from cellport.train.reference.reference import Reference


def _reference(tiny_cells: Any) -> Reference:
    labels, label = np.unique(tiny_cells.label, return_inverse=True)
    batches, batch = np.unique(tiny_cells.batch, return_inverse=True)
    names = np.array([f"cell{i}" for i in range(len(label))], object)
    columns = {"index": tiny_cells.symbols}
    return Reference(
        tiny_cells.counts, columns, names, tuple(labels), label, tuple(batches), batch, "cells"
    )


@pytest.mark.parametrize("root", [{"root": ("nobody",)}, {"root_cell": ("nobody",)}])
def test_a_root_that_is_not_there_is_refused_before_training(
    tiny_cells: Any, tiny_config: Any, root: dict[str, Any]
) -> None:
    seen: list[Progress] = []
    with pytest.raises(TrainingError, match="nobody"):
        build_atlas(_reference(tiny_cells), replace(tiny_config, **root), on_progress=seen.append)
    assert not seen
