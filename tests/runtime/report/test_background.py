from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from cellport.runtime.atlas.file import AtlasFile, npy_bytes, open_atlas_file
from cellport.runtime.columns import Column, MappedBlock, Schema
from cellport.runtime.errors import AtlasError
from cellport.runtime.mapping.transfer import QC
from cellport.runtime.report.background import Background, measure_spread, read_background
from cellport.runtime.report.collect import Collector, Findings


@pytest.fixture(scope="module")
def background(tiny_atlas: AtlasFile) -> Background:
    return read_background(tiny_atlas)


def found(atlas: AtlasFile, latent: NDArray[np.floating], label: NDArray[np.integer]) -> Findings:
    names = (*atlas.manifest.labels, "unknown")
    columns = (
        Column("cellport_label", "category", names),
        Column("cellport_prob", "float"),
        Column("cellport_call", "category", names),
        Column("cellport_qc", "category", QC),
    )
    collector = Collector(Schema(columns, {"X_cellport": latent.shape[1]}))
    codes, n = label.astype(np.int32), len(latent)
    obs = {
        "cellport_label": codes,
        "cellport_prob": np.ones(n, np.float32),
        "cellport_call": codes,
        "cellport_qc": np.zeros(n, np.int32),
    }
    cells = np.array([str(i) for i in range(n)], object)
    collector.add(MappedBlock(0, cells, obs, {"X_cellport": latent.astype(np.float32)}))
    return collector.findings()


def test_the_reference_spreads_like_itself(tiny_atlas: AtlasFile, background: Background) -> None:
    latent, label = (tiny_atlas.array(f"reference_{what}") for what in ("latent", "label"))
    spread = measure_spread(background, found(tiny_atlas, latent, label))
    assert spread is not None
    assert spread.found == pytest.approx(1, rel=1e-4)
    assert spread.ratio == pytest.approx(1, rel=1e-4)


def test_a_query_of_one_type_is_not_called_compressed(
    tiny_atlas: AtlasFile, background: Background
) -> None:
    latent, label = (tiny_atlas.array(f"reference_{what}") for what in ("latent", "label"))
    ratios, raw = [], []
    for code in range(3):
        rows = label == code
        spread = measure_spread(background, found(tiny_atlas, latent[rows], label[rows]))
        assert spread is not None
        ratios.append(spread.ratio)
        raw.append(spread.found)
    assert_allclose(ratios, 1, rtol=1e-4)
    assert np.ptp(raw) > 0.01


@pytest.mark.parametrize(("change", "low", "high"), [(0.3, 0.0, 0.2), (2.0, 3.5, 4.5)])
def test_compressed_and_shifted_queries(
    change: float, low: float, high: float, tiny_atlas: AtlasFile, background: Background
) -> None:
    latent, label = (tiny_atlas.array(f"reference_{what}") for what in ("latent", "label"))
    moved = background.mean + change * (latent - background.mean)
    spread = measure_spread(background, found(tiny_atlas, moved, label))
    assert spread is not None
    assert low < spread.ratio < high


def test_no_cells_no_spread(tiny_atlas: AtlasFile, background: Background) -> None:
    empty = found(tiny_atlas, np.empty((0, 8)), np.empty(0, int))
    assert measure_spread(background, empty) is None


def test_places(tiny_atlas: AtlasFile, background: Background) -> None:
    latent, label = (tiny_atlas.array(f"reference_{what}") for what in ("latent", "label"))
    assert background.n_cells == len(latent) == len(background.linear)
    assert_allclose(background.axes.T @ background.axes, np.eye(2), atol=1e-9)
    variance = (latent @ background.axes).var(axis=0)
    assert variance[0] > variance[1] > latent.var(axis=0).sum() / 16
    expected = np.median((latent @ background.axes)[label == 1], axis=0)
    assert_allclose(background.linear_centre[1], expected, atol=1e-4)
    assert background.layout is not None
    placed = tiny_atlas.array("reference_umap")
    assert_allclose(np.sort(background.layout, axis=0), np.sort(placed, axis=0))


def test_the_layout_of_the_atlas(rewritten_atlas: Any, tiny_atlas: AtlasFile) -> None:
    n = len(tiny_atlas.array("reference_latent"))
    layout = np.random.default_rng(0).random((n, 2), np.float32)
    path = rewritten_atlas({"arrays/reference_umap.npy": npy_bytes(layout)})
    found = read_background(open_atlas_file(path))
    assert found.layout is not None
    assert sorted(map(tuple, found.layout.tolist())) == sorted(map(tuple, layout.tolist()))


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("reference_latent", np.zeros((240, 3), np.float32)),
        ("reference_latent", np.zeros((0, 8), np.float32)),
        ("reference_latent", np.float32(1)),
        ("reference_latent", np.full((240, 8), np.nan, np.float32)),
        ("reference_label", np.zeros(7, np.int32)),
        ("reference_label", np.full(240, 3, np.int32)),
        ("reference_label", np.zeros(240, np.float32)),
        ("reference_umap", np.zeros((240, 3), np.float32)),
    ],
)
def test_arrays_that_do_not_fit(name: str, array: Any, rewritten_atlas: Any) -> None:
    path = rewritten_atlas({f"arrays/{name}.npy": npy_bytes(np.asarray(array))})
    with pytest.raises(AtlasError, match=r"get (the atlas|it) again"):
        read_background(open_atlas_file(path))
