from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cellport.runtime.base.hints import hint, near_names


def test_the_nearest_come_first_whatever_the_letter_case() -> None:
    assert near_names("BATCH", ["batch", "batches", "label"]) == ["batch", "batches"]
    assert near_names("cd3e", ["CD3D", "CD3E", "CD3G", "CD19", "cd3E"])[0] == "CD3E"
    assert len(near_names("aaaa", ["aaab", "aaac", "aaad", "aaae"])) == 3
    assert near_names("xyz", ["batch"]) == []


@given(st.text(), st.lists(st.text()))
def test_near_names_are_names_and_the_name_itself_is_found(wanted: str, names: list[str]) -> None:
    assert set(near_names(wanted, names)) <= set(names)
    assert near_names(wanted, [*names, wanted])[0].casefold() == wanted.casefold()


def test_it_is_one_sentence() -> None:
    assert hint("counst", ["counts", "X"]) == "Did you mean 'counts'?"
    assert hint("count", ["counts", "counts2"]) == "Did you mean 'counts' or 'counts2'?"
    assert hint("count", ["a", "b"]) == "There are: 'a', 'b'."
    assert hint("count", list("abcd"), shown=2) == "There are: 'a', 'b' and 2 more."
    assert hint("count", []) == "There is none at all."
