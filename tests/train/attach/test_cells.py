"""Reference cells in a model's terms: its labels, what it calls no label, and its genes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData
from hypothesis import given
from hypothesis import strategies as st

from cellport.runtime.errors import InputError
from cellport.train.attach.cells import (
    GenePlaces,
    check_genes,
    groups_of,
    with_labels_of,
    without_label,
)
from cellport.train.reference.reference import Reference

NAMES = ("B cell", "NK", "T cell", "Unknown")


def reference(labels: tuple[str, ...], label: Any) -> Reference:
    n = len(label)
    return Reference(
        sp.csr_matrix((n, 1), dtype=np.float32), {"index": np.array(["CD4"], object)},
        np.array([f"c{i}" for i in range(n)], object), labels, np.asarray(label, np.int64), ("b",),
        np.zeros(n, np.int64), "cells.h5ad",
    )  # fmt: skip


def called(cells: Reference) -> list[str]:
    return [cells.labels[code] if code >= 0 else "" for code in cells.label]


CODES = st.lists(st.integers(-1, 3), min_size=1, max_size=12)


@given(CODES, st.sampled_from(NAMES), st.sampled_from([str, str.upper, str.title, " {} ".format]))
def test_what_a_model_calls_no_label_is_none(label: list[int], name: str, write: Any) -> None:
    cells = reference(NAMES, label)
    kept = without_label(cells, write(name))
    assert name not in kept.labels
    assert called(kept) == [one if one != name else "" for one in called(cells)]
    assert without_label(cells, "none of these") is cells


@given(CODES, st.permutations(["t  CELL", "nk", "b cell", "other"]))
def test_labels_are_called_as_the_model_calls_them(label: list[int], known: list[str]) -> None:
    cells = reference(NAMES, label)
    found = with_labels_of(cells, known, "cell_type", [])
    assert found.labels == tuple(known)
    wanted = {"B cell": "b cell", "NK": "nk", "T cell": "t  CELL"}
    assert called(found) == [wanted.get(one, "") for one in called(cells)]
    groups = groups_of(cells, found)
    for group, own, theirs in zip(groups, cells.label, found.label, strict=True):
        assert group == (theirs if theirs >= 0 else own + len(known) if own >= 0 else -1)


def adata(**columns: str) -> AnnData:
    obs = pd.DataFrame({name: [value] * 3 for name, value in columns.items()})
    obs.index = pd.Index(["a", "b", "c"])
    return AnnData(sp.csr_matrix(np.ones((3, 1), np.float32)), obs, pd.DataFrame(index=["CD4"]))


@pytest.mark.parametrize(
    ("columns", "advice"),
    [
        ({"coarse": "x", "fine": "t CELL"}, r"Those of column 'fine' are: --labels fine\.$"),
        ({"coarse": "x", "fine": "y"}, "Name a column whose labels are called as the model's, or"),
        ({}, "Name a column whose labels are called as the model's, or leave --labels out: cells"),
    ],
)
def test_labels_of_others_are_refused_and_a_better_column_is_named(
    columns: dict[str, str], advice: str
) -> None:
    cells = reference(("p", "q", "r", "s"), [0, 1, 2, 3])
    with pytest.raises(InputError, match=advice) as caught:
        with_labels_of(cells, ("T cell", "NK"), "coarse", [adata(**columns)])
    said = str(caught.value)
    assert "column 'coarse' ('p', 'q', 'r', ...) is one of the model's ('T cell', 'NK')." in said


@pytest.mark.parametrize("lacks", [0, 1, 3])
def test_latents_beside_other_genes_are_refused_with_their_number(lacks: int) -> None:
    places = GenePlaces(np.arange(5), 5, np.arange(5) >= lacks)
    if not lacks:
        check_genes(reference(NAMES, [0]), places)
        return
    with pytest.raises(InputError, match=f"it lacks {lacks} of the model's genes"):
        check_genes(reference(NAMES, [0]), places)
