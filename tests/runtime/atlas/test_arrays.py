"""The table of arrays holds for what is written, and finds what does not fit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cellport.runtime.atlas.arrays import (
    ANSWERS,
    ARRAYS,
    ArraySpec,
    answers_of,
    array_specs,
    bad_values,
    extents,
    first_misfit,
    has,
)
from cellport.runtime.atlas.file import AtlasFile, npy_bytes, open_atlas_file
from cellport.runtime.atlas.manifest import Calibration, Head, Input, Manifest, Structure
from cellport.runtime.errors import AtlasError

Headers = dict[str, tuple[np.dtype[Any], tuple[int, ...]]]


@pytest.fixture(params=["trained", "converted"])
def whole(request: pytest.FixtureRequest, forgery: Any, made_up_path: Any) -> Manifest:
    """A manifest of an atlas that has everything of its kind."""
    changes: dict[str, Any] = {"structure": made_up_path.structure}
    if request.param == "converted":
        changes |= {
            "input": Input("query", 1e4, log1p=True, centre=True, scale=False, cap=True),
            "fill": "mean",
            "head": Head("sigmoids", Calibration("none")),
        }
    manifest: Manifest = forgery.manifest(**changes)
    return replace(manifest, answers=tuple(answers_of(manifest)))


def specs_of(manifest: Manifest) -> list[ArraySpec]:
    """Arrays that an atlas of this kind must or may have."""
    return [
        spec
        for spec in array_specs(manifest)
        if has(manifest, spec.when) or spec.when == "optional"
    ]


def headers(forgery: Any, manifest: Manifest) -> Headers:
    arrays = forgery.arrays(manifest)
    return {name: (array.dtype, array.shape) for name, array in arrays.items()}


def test_a_trained_atlas_fits(tiny_atlas: AtlasFile) -> None:
    found = tiny_atlas.headers()
    assert first_misfit(tiny_atlas.manifest, found) == ""
    assert set(found) == {spec.name for spec in array_specs(tiny_atlas.manifest)} & set(found)
    assert answers_of(tiny_atlas.manifest).keys() == set(tiny_atlas.manifest.answers)


def test_an_atlas_with_everything_fits(forgery: Any, whole: Manifest) -> None:
    manifest = whole
    assert first_misfit(manifest, headers(forgery, manifest)) == ""
    without = {
        name: header
        for name, header in headers(forgery, manifest).items()
        if name not in ("neighbor_centroids", "reference_names")
    }
    assert first_misfit(manifest, without) == ""


def test_an_array_that_is_missing_is_named(forgery: Any, whole: Manifest) -> None:
    manifest = whole
    for spec in specs_of(manifest):
        found = headers(forgery, manifest)
        del found[spec.name]
        said = first_misfit(manifest, found)
        assert said == (f"lacks arrays/{spec.name}.npy" if has(manifest, spec.when) else "")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_does_not_fit_is_found(data: st.DataObject, forgery: Any, whole: Manifest) -> None:
    manifest = whole
    found, known = headers(forgery, manifest), extents(manifest)
    shared = Counter(one for spec in specs_of(manifest) for one in spec.shape)
    spec = data.draw(st.sampled_from(specs_of(manifest)))
    dtype, shape = found[spec.name]
    fixed = [
        axis
        for axis, one in enumerate(spec.shape)
        if isinstance(one, int) or one in known or shared[one] > 1
    ]
    kinds = ["type", "axis more", *(["axis less"] if shape else []), *(["extent"] if fixed else [])]
    kind = data.draw(st.sampled_from(kinds))
    if kind == "type":
        others = {np.dtype(one) for one in ("f8", ">f4", "i8", "u1", "<i4", "?")} - {dtype}
        dtype = data.draw(st.sampled_from(sorted(others, key=str)))
    elif kind == "axis more":
        shape = (*shape, 1)
    elif kind == "axis less":
        shape = shape[:-1]
    else:
        axis = data.draw(st.sampled_from(fixed))
        other = data.draw(st.integers(0, 50).filter(lambda n: n != shape[axis]))
        shape = (*shape[:axis], other, *shape[axis + 1 :])
    found[spec.name] = dtype, shape
    assert "does not fit its manifest" in first_misfit(manifest, found)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_cannot_be_a_value_is_found(
    data: st.DataObject, forgery: Any, whole: Manifest
) -> None:
    manifest = whole
    arrays = forgery.arrays(manifest)
    spec = data.draw(st.sampled_from(specs_of(manifest)))
    array = arrays[spec.name].copy()
    assert bad_values(manifest, spec.name, array) == ""
    assert bad_values(manifest, spec.name, array[:0]) != ""
    if spec.below:
        n = extents(manifest)[spec.below]
        bad = st.sampled_from([spec.least - 1, n, 2**31 - 1, -(2**31)])
    elif np.issubdtype(array.dtype, np.floating):
        bad = st.sampled_from([np.nan, np.inf, -np.inf, max(spec.above, -np.inf)])
    else:
        return
    array.flat[data.draw(st.integers(0, array.size - 1))] = data.draw(bad)
    wanted = f"from {spec.least} to" if spec.below else "numbers"
    assert wanted in bad_values(manifest, spec.name, array)


def test_the_file_says_which_array_holds_what(
    tiny_atlas: AtlasFile, rewritten_atlas: Callable[..., Path]
) -> None:
    labels = tiny_atlas.array("reference_label").copy()
    labels[5] = len(tiny_atlas.manifest.labels)
    atlas = open_atlas_file(rewritten_atlas({"arrays/reference_label.npy": npy_bytes(labels)}))
    said = r"reference_label\.npy is empty or holds something else than whole numbers from -1 to"
    with pytest.raises(AtlasError, match=said):
        atlas.array("reference_label")


def test_an_atlas_without_structure_answers_no_clusters(forgery: Any) -> None:
    manifest = forgery.manifest()
    assert "cluster_prob" not in answers_of(manifest)
    clustered = replace(manifest, structure=Structure(("0", "1", "2")))
    assert answers_of(clustered)["cluster_prob"] == (3,)
    assert "pseudotime" not in answers_of(clustered)


def test_names_are_unique() -> None:
    assert len({spec.name for spec in ARRAYS}) == len(ARRAYS)
    assert len({spec.name for spec in ANSWERS}) == len(ANSWERS)
