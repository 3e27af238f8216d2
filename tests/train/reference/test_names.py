from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellport.train.reference.names import UNNAMED, tidied_batches, tidied_labels
from cellport.train.reference.reference import read_reference

SPACE = st.text(" \t\n\u00a0", min_size=1, max_size=3)
WORDS = st.sampled_from(["B", "cell", "CD8,", "T;NK", "memory;", "é"])


def _labels(*values: str) -> tuple[list[str], list[str]]:
    names, notes = tidied_labels(np.array(values, object), "type")
    return list(names), notes


def test_good_names_stay_and_nothing_is_said() -> None:
    assert _labels("B cell", "T, CD8", "basophil/mast", "") == (
        ["B cell", "T, CD8", "basophil/mast", ""],
        [],
    )


@given(st.lists(WORDS, min_size=1, max_size=3), SPACE, SPACE, SPACE)
def test_spaces_do_not_tell_labels_apart(words: list[str], a: str, b: str, c: str) -> None:
    names, notes = _labels(" ".join(words), a + b.join(words) + c)
    assert names[0] == names[1] == " ".join(words).replace(";", ",")
    assert "Spaces in labels of 'type' were tidied" in notes[0]


def test_what_joins_names_is_none_of_them() -> None:
    names, notes = _labels("B; plasma", "CD8, T;NK", "B, plasma")
    assert names == ["B, plasma", "CD8, T,NK", "B, plasma"]
    assert "'B; plasma', 'CD8, T;NK'" in notes[0]


def test_letter_case_is_said_and_kept() -> None:
    names, notes = _labels("b cell", "B cell", "NK", "unknown", "Unknown")
    assert names == ["b cell", "B cell", "NK", "", ""]
    assert "'B cell' and 'b cell'" in notes[0]
    assert notes[1] == "2 cells count as unlabelled: 'Unknown', 'unknown' in 'type'."


@pytest.mark.parametrize("word", ["nan", "NA", "None", "", " "])
def test_cells_without_a_batch_make_one(word: str) -> None:
    names, notes = tidied_batches(np.array(["a", word, "a", "unknown"], object), "donor")
    assert list(names) == ["a", UNNAMED, "a", "unknown"]
    assert "1 cells have no batch in 'donor'" in notes[-1]


def test_a_reference_says_what_was_done_to_its_names(tiny_cells: Any) -> None:
    adata = tiny_cells.adata()
    label = adata.obs["cell_type"].astype(object)
    label.iloc[::2] = [f" {name}" for name in label.iloc[::2]]
    label[label == "gamma"] = "gamma; old"
    adata.obs["cell_type"] = label
    donor = adata.obs["donor"].astype(object)
    donor.iloc[:5] = np.nan
    adata.obs["donor"] = donor
    reference = read_reference(adata, "cell_type", "donor")
    assert set(reference.labels) == {"alpha", "beta", "gamma", "gamma, old"}
    assert reference.batches == (UNNAMED, "north", "south")
    assert (reference.batch == 0).sum() == 5
    assert sum(word in " ".join(reference.notes) for word in ("Spaces", "';'", "no batch")) == 3
