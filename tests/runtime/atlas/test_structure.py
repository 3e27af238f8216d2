from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cellport.runtime.atlas.file import AtlasFile, Manifest
from cellport.runtime.atlas.structure import (
    FATE,
    StructureNames,
    structure_answers,
    structure_names,
)
from cellport.runtime.errors import AtlasError

NAMES = StructureNames(("0", "1"), ("a -> b", "b -> c"), ("c",))


def _stating(manifest: Manifest, structure: Any) -> Manifest:
    return replace(manifest, training={"structure": structure})


def _by_name() -> dict[str, np.ndarray]:
    by_name = {
        "cluster_prob": [[0.9, 0.1], [0.2, 0.8], [0.9, 0.1]],
        "edge_prob": [[0.2, 0.7], [0.1, 0.2], [1.0, 0.0]],
        "edge_fraction": [[0.9, 0.3], [0.5, 0.5], [0.1, 0.0]],
        "pseudotime": [0.6, 0.5, 0.1],
        "pseudotime_sd": [0.05, 0.05, 0.05],
        "fate_prob": [[1.0], [1.0], [1.0]],
    }
    return {name: np.array(values, np.float32) for name, values in by_name.items()}


def test_cells_off_the_trajectory_and_empty_ones_have_no_place_on_it() -> None:
    obs, obsm = structure_answers(NAMES, _by_name(), np.array([False, False, True]))
    assert obs["cellport_cluster"].tolist() == [0, 1, -1]
    assert obs["cellport_edge"].tolist() == [1, -1, -1]
    for column, first in (
        ("cellport_edge_fraction", 0.3), ("cellport_pseudotime", 0.6),
        ("cellport_pseudotime_sd", 0.05),
    ):  # fmt: skip
        np.testing.assert_allclose(obs[column], [first, np.nan, np.nan], rtol=1e-6)
    np.testing.assert_array_equal(obsm[FATE], np.array([[1], [np.nan], [np.nan]], np.float32))


def test_columns_fit_what_is_answered() -> None:
    obs, obsm = structure_answers(NAMES, _by_name(), np.zeros(3, bool))
    assert [column.name for column in NAMES.columns] == list(obs)
    assert {name: matrix.shape[1] for name, matrix in obsm.items()} == NAMES.obsm
    assert set(NAMES.shapes) == set(_by_name())


def test_clusters_alone_and_nothing_at_all(tiny_atlas: AtlasFile) -> None:
    names = structure_names(_stating(tiny_atlas.manifest, {"cluster_names": ["0", "1"]}))
    obs, obsm = structure_answers(names, _by_name(), np.zeros(3, bool))
    assert (list(obs), obsm, set(names.shapes)) == (["cellport_cluster"], {}, {"cluster_prob"})
    nothing = structure_names(replace(tiny_atlas.manifest, training={}))
    assert structure_answers(nothing, {}, np.zeros(3, bool)) == ({}, {})
    assert (nothing.columns, nothing.obsm, nothing.shapes) == ((), {}, {})


@pytest.mark.parametrize(
    "structure", [[], "text", {"edges": 3}, {"cluster_names": [1]}, {"edges": ["a", "a"]}]
)
def test_malformed_names_are_refused(tiny_atlas: AtlasFile, structure: Any) -> None:
    with pytest.raises(AtlasError, match="structure"):
        structure_names(_stating(tiny_atlas.manifest, structure))
