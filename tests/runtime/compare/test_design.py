"""What an arrangement of samples allows, and the sentence where it allows nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellport.runtime.compare.design import (
    FEWEST_FREEDOM,
    FEWEST_SAMPLES,
    Samples,
    designs,
    full_rank,
    reference_level,
)
from cellport.runtime.errors import InputError


def samples(condition: str, pair: str = "", batch: str = "") -> Samples:
    """A letter a sample."""
    names = tuple(f"s{at}" for at in range(len(condition)))
    return Samples(names, tuple(condition), tuple(pair) or None, tuple(batch) or None)


@given(st.integers(0, 6), st.integers(1, 6))
def test_too_few_samples_is_an_answer(a: int, b: int) -> None:
    if not a:
        with pytest.raises(InputError, match="All samples are of one condition"):
            designs(samples("b" * b))
        return
    (design,) = designs(samples("a" * a + "b" * b))
    possible = min(a, b) >= FEWEST_SAMPLES and a + b - 2 >= FEWEST_FREEDOM
    assert (design.refusal == "") == possible
    assert "pair" not in design.refusal
    if min(a, b) < FEWEST_SAMPLES:
        assert "at least 2 samples of each are needed, and 5 in all" in design.refusal
    elif not possible:
        assert "1 sample more" in design.refusal


def test_pairs_that_lack_a_side_are_left_out() -> None:
    (design,) = designs(samples("aaaaabbbb", pair="123451234"))
    assert design.samples.names == ("s0", "s1", "s2", "s3", "s5", "s6", "s7", "s8")
    assert design.notes == (
        "1 of 5 pairs have no sample of one of 'a' and 'b' and are left out: '5'.",
    )
    assert (design.refusal, design.formula) == ("", "~pair + condition")
    (short,) = designs(samples("aaabbb", pair="123123"))
    assert "2 degrees of freedom" in short.refusal
    assert "1 pair more" in short.refusal
    (none,) = designs(samples("aaabbb", pair="123456"))
    assert "'a' has 0 pairs" in none.refusal
    assert none.matrix.shape == (0, 2)
    assert "(4 whole pairs)" in none.refusal
    (five,) = designs(samples("aaabb", pair="12345"))
    assert five.notes[0].endswith("left out: '1', '2', '3', '4', '5'.")
    assert none.notes[0].endswith("left out: '1', '2', '3', '4', '5', ….")


def test_a_condition_that_is_the_batch_cannot_be_told_from_it() -> None:
    (design,) = designs(samples("aaaabbbb", batch="xxxxyyyy"))
    assert "were never in one batch" in design.refusal
    (design,) = designs(samples("aaaabbbb", batch="xxyyxxyy"))
    assert design.refusal == ""
    assert full_rank(design).shape == (8, 3)


def test_batches_of_whole_pairs_add_nothing() -> None:
    (design,) = designs(samples("aaaaabbbbb", pair="1234512345", batch="xxyyyxxyyy"))
    matrix = full_rank(design)
    assert design.refusal == ""
    assert matrix.shape == (10, 6)
    np.testing.assert_array_equal(matrix[:, 1], np.repeat([0, 1], 5))


@pytest.mark.parametrize(
    ("conditions", "asked", "expected"),
    [
        (["disease", "Healthy"], None, "Healthy"),
        (["IFN", "ctrl"], None, "ctrl"),
        (["b", "a"], None, "a"),
        (["b", "a"], "b", "b"),
        (["Un-treated", "drug"], None, "Un-treated"),
    ],
)
def test_what_others_are_compared_with(
    conditions: list[str], asked: str | None, expected: str
) -> None:
    assert reference_level(conditions, asked) == expected


def test_an_unknown_reference_is_told() -> None:
    with pytest.raises(InputError, match="no condition 'c'; there are 'a', 'b'"):
        reference_level(["a", "b"], "c")


def test_every_condition_is_compared_with_the_reference() -> None:
    made = designs(samples("aaabbbccc"))
    assert [(one.reference, one.level, len(one.samples)) for one in made] == [
        ("a", "b", 6),
        ("a", "c", 6),
    ]
