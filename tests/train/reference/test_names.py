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
    assert _labels("B cell", "T, CD8", "basophil/mast") == (
        ["B cell", "T, CD8", "basophil/mast"],
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
    assert notes[1] == "2 of 5 cells count as unlabelled in 'type': 'Unknown', 'unknown'."


@given(st.lists(st.sampled_from(["B", "", "?", "<NA>", "Unclassified", "n/a"]), min_size=1))
def test_cells_without_a_label_are_counted(values: list[str]) -> None:
    names, notes = _labels(*values)
    assert names == ["B" if value == "B" else "" for value in values]
    none = names.count("")
    said = [f"{none} of {len(values)} cells count as unlabelled in 'type': "] if none else []
    assert [note[: len(start)] for note, start in zip(notes, said, strict=True)] == said
    assert ("empty" in " ".join(notes)) == ("" in values)


@pytest.mark.parametrize("column", ["cell_type", "donor"])
def test_numbers_are_the_same_whether_a_cell_lacks_one(tiny_cells: Any, column: str) -> None:
    whole, holed = tiny_cells.adata(), tiny_cells.adata()
    codes = whole.obs[column].astype("category").cat.codes.to_numpy()
    whole.obs[column], holed.obs[column] = codes, codes.astype(float)
    holed.obs.iloc[:3, holed.obs.columns.get_loc(column)] = np.nan
    asked = {"labels": column} if column == "cell_type" else {"batch": column}
    reference = read_reference([whole, holed], **asked)
    names = reference.labels if column == "cell_type" else reference.batches
    assert set(names) - {UNNAMED} == set(map(str, codes))


def test_fractions_stay_as_they_are(tiny_cells: Any) -> None:
    adata = tiny_cells.adata()
    adata.obs["score"] = np.where(np.arange(adata.n_obs) % 2, 1.0, 0.5)
    assert read_reference(adata, "score").labels == ("0.5", "1.0")


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
