"""An atlas of format 1 that was made when the format was fixed gives what it gave then."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cellport.runtime.atlas.file import open_atlas_file
from cellport.runtime.mapping.atlas import load_atlas
from cellport.runtime.mapping.result import Mapping
from cellport.runtime.mapping.verify import verify_atlas

FROZEN = Path(__file__).resolve().parent / "data" / "format1"
ASKED: dict[str, Any] = {"neighbors": 3, "corrected_expression": ("ALOX15", "ANXA7")}


@pytest.fixture(scope="module")
def then() -> dict[str, list[Any]]:
    answers: dict[str, list[Any]] = json.loads((FROZEN / "answers.json").read_text())
    return answers


@pytest.fixture(scope="module")
def now() -> Mapping:
    return load_atlas(FROZEN / "atlas.cellport").map(FROZEN / "query", device="cpu", **ASKED)


def test_answers_are_those_of_then(now: Mapping, then: dict[str, list[Any]]) -> None:
    for name, values in then.items():
        found = now[name]
        if found.dtype == object:
            assert found.tolist() == values, name
        else:
            expected = np.array(values, np.float64)
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4, err_msg=name)


def test_what_was_frozen_shows_what_the_format_can_say(then: dict[str, list[Any]]) -> None:
    assert len(then) == 19
    assert {"stem", "between", "left", "right", "grown", "unknown"} == set(then["cellport_call"])
    assert {"ok", "low_depth", "empty"} == set(then["cellport_qc"])
    assert {True, False} == set(then["cellport_novel"])
    assert any(";" in labels for labels in then["cellport_label_set"])
    assert len(set(then["cellport_edge"])) == 4


def test_nothing_was_written_again() -> None:
    lines = (FROZEN / "SHA256SUMS").read_text().splitlines()
    stated = {name: digest for digest, name in (line.split("  ") for line in lines)}
    files = [
        path
        for path in FROZEN.rglob("*")
        if path.is_file() and path.name not in ("README.md", "SHA256SUMS")
    ]
    found = {str(path.relative_to(FROZEN)): sha256(path.read_bytes()) for path in files}
    assert {name: digest.hexdigest() for name, digest in found.items()} == stated


def test_it_verifies_and_says_where_it_comes_from() -> None:
    atlas = open_atlas_file(FROZEN / "atlas.cellport")
    assert atlas.format_version == 1
    assert all(check.passed for check in verify_atlas(atlas, "cpu"))
    assert atlas.manifest.provenance.source == "synthetic cells of a line that forks"
    for name in atlas.members:
        if name.startswith("arrays/"):
            values: NDArray[Any] = atlas.array(name.removeprefix("arrays/").removesuffix(".npy"))
            assert values.size
