from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from cellport.runtime.atlas.file import AtlasFile, npy_bytes, open_atlas_file
from cellport.runtime.columns import QUALITIES, Column, MappedBlock, Schema
from cellport.runtime.errors import AtlasError
from cellport.runtime.mapping.gather.findings import Findings
from cellport.runtime.report.background import Background, measure_spread, read_background


@pytest.fixture(scope="module")
def background(tiny_atlas: AtlasFile) -> Background:
    return read_background(tiny_atlas)


def found(atlas: AtlasFile, latent: NDArray[np.floating], label: NDArray[np.integer]) -> Findings:
    names = (*atlas.manifest.labels, "unknown")
    columns = (
        Column("cellport_label", "category", names),
        Column("cellport_call", "category", names),
        Column("cellport_qc", "category", QUALITIES),
    )
    codes, n = label.astype(np.int32), len(latent)
    obsm = {"X_cellport": latent.astype(np.float32), "X_cellport_umap": np.zeros((n, 2), "f4")}
    findings = Findings(Schema(columns, {name: matrix.shape[1] for name, matrix in obsm.items()}))
    obs = {
        "cellport_label": codes,
        "cellport_prob": np.ones(n, np.float32),
        "cellport_call": codes,
        "cellport_label_set": np.full(n, "a", object),
        "cellport_novelty_p": np.ones(n, np.float32),
        "cellport_novel": np.zeros(n, np.bool_),
        "cellport_qc": np.zeros(n, np.int32),
    }
    findings.add(MappedBlock(0, np.full(n, "cell", object), obs, obsm))
    return findings


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
    point, label = (tiny_atlas.array(f"reference_{what}") for what in ("umap", "label"))
    assert background.n_cells == len(point)
    assert sorted(map(tuple, background.point.tolist())) == sorted(map(tuple, point.tolist()))
    assert_allclose(background.centre[1], np.median(point[label == 1], axis=0))


def test_a_large_reference_is_drawn_in_part(
    small_atlas: Callable[..., AtlasFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cellport.runtime.report.background.SAMPLED", 4)
    atlas = small_atlas()
    drawn = read_background(atlas)
    assert drawn.n_cells == 7
    known = set(map(tuple, atlas.array("reference_umap").tolist()))
    assert len(drawn.point) == 4
    assert set(map(tuple, drawn.point.tolist())) < known


def test_a_label_without_cells_has_no_place(small_atlas: Callable[..., AtlasFile]) -> None:
    found = read_background(small_atlas({"reference_label": np.zeros(7, np.int32)}))
    assert np.isnan(found.centre[1]).all()
    assert found.label_spread[1] == 1
    assert found.label_spread[0] == pytest.approx(1)


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("reference_latent", np.full((240, 8), np.nan, np.float32)),
        ("reference_label", np.full(240, 3, np.int32)),
    ],
)
def test_values_that_no_reference_has(name: str, array: Any, rewritten_atlas: Any) -> None:
    path = rewritten_atlas({f"arrays/{name}.npy": npy_bytes(np.asarray(array))})
    with pytest.raises(AtlasError, match="get the atlas again"):
        read_background(open_atlas_file(path))
