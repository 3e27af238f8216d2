from __future__ import annotations

from typing import Any

import numpy as np

from cellport.runtime.mapping.annotate.latent import prepare


def test_every_cell_has_its_latent_and_its_place(small_atlas: Any, made: Any) -> None:
    latent, umap = np.arange(6.0).reshape(3, 2), np.arange(6.0, 12.0).reshape(3, 2)
    found = prepare(made.setting(small_atlas()))
    values = found.annotate(made.cells([10, 0, 5], latent=latent, umap=umap))
    np.testing.assert_array_equal(values["X_cellport"], latent)
    np.testing.assert_array_equal(values["X_cellport_umap"], umap)
    assert found.schema.obsm == {"X_cellport": 2, "X_cellport_umap": 2}
    assert found.schema.columns == ()
