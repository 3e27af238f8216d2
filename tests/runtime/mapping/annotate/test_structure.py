from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.atlas.manifest import Structure
from cellport.runtime.errors import AtlasError
from cellport.runtime.mapping.annotate.structure import prepare

ANSWERS = {
    "cluster_prob": [[0.9, 0.1], [0.2, 0.8], [0.9, 0.1]],
    "edge_prob": [[0.2, 0.7, 0.0], [0.1, 0.2, 0.1], [1.0, 0.0, 0.0]],
    "edge_fraction": [[0.9, 0.3, 0.0], [0.5, 0.5, 0.5], [0.1, 0.0, 0.0]],
    "pseudotime": [0.6, 0.5, 0.1],
    "pseudotime_sd": [0.05, 0.05, 0.05],
    "fate_prob": [[1.0, 0.0], [0.5, 0.5], [0.2, 0.8]],
}
LIBRARY = [100, 100, 0]


def test_cells_off_the_trajectory_and_empty_ones_have_no_place_on_it(
    fork_atlas: AtlasFile, made: Any
) -> None:
    found = prepare(made.setting(fork_atlas))
    assert found is not None
    values = found.annotate(made.cells(LIBRARY, **ANSWERS))
    assert values["cellport_cluster"].tolist() == [0, 1, -1]
    assert values["cellport_edge"].tolist() == [1, -1, -1]
    for name, first in (("edge_fraction", 0.3), ("pseudotime", 0.6), ("pseudotime_sd", 0.05)):
        column = values[f"cellport_{name}"]
        np.testing.assert_allclose(column, [first, np.nan, np.nan], rtol=1e-6)
    fate = np.array([[1, 0], [np.nan] * 2, [np.nan] * 2], np.float32)
    np.testing.assert_array_equal(values["X_cellport_fate"], fate)
    edges = found.schema.categories("cellport_edge")
    assert edges == ("stem -> fork", "fork -> left", "fork -> right")
    assert found.facts["trajectory"]["terminal_states"] == ["left", "right"]


def test_clusters_alone_and_nothing_at_all(
    small_atlas: Callable[..., AtlasFile], made: Any
) -> None:
    found = prepare(made.setting(small_atlas(structure=Structure(("0", "1")))))
    assert found is not None
    assert [column.name for column in found.schema.columns] == ["cellport_cluster"]
    assert (found.schema.obsm, found.facts) == ({}, {})
    values = found.annotate(made.cells(LIBRARY, cluster_prob=ANSWERS["cluster_prob"]))
    assert {name: codes.tolist() for name, codes in values.items()} == {
        "cellport_cluster": [0, 1, -1]
    }
    assert prepare(made.setting(small_atlas(structure=None))) is None


def test_a_trajectory_of_no_numbers_is_refused(
    small_atlas: Callable[..., AtlasFile], made_up_path: Any, made: Any
) -> None:
    arrays = made_up_path.arrays(3) | {"lineage_time": np.full((2, 2), np.nan, np.float32)}
    with pytest.raises(AtlasError, match=r"lineage_time\.npy .* else than numbers"):
        prepare(made.setting(small_atlas(arrays, structure=made_up_path.structure)))


@pytest.mark.parametrize("missing", [0.0, 2**-20, 0.25])
def test_a_cell_is_on_the_trajectory_from_one_half_on(
    fork_atlas: AtlasFile, made: Any, missing: float
) -> None:
    found = prepare(made.setting(fork_atlas))
    assert found is not None
    one = {name: [values[0]] for name, values in ANSWERS.items()}
    cells = made.cells([100], **one | {"edge_prob": [[0.25 - missing, 0.25, 0.0]]})
    values = found.annotate(cells)
    assert values["cellport_edge"].tolist() == [-1 if missing else 0]
    assert np.isnan(values["cellport_pseudotime"]).tolist() == [missing > 0]
