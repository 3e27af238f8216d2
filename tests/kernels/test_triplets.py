from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cellport.kernels.triplets import parse_triplets

whole = st.integers(0, 10**18 - 1)
numbers = st.one_of(
    st.integers(-(10**6), 10**6).map(str),
    st.floats(width=32, allow_nan=False, allow_infinity=False).map(repr),
    st.floats(0, 1e6).map(lambda x: f"{x:.5f}"),
    st.floats(0, 1e6).map(lambda x: f"+{x:.3E}"),
)


@settings(deadline=None)
@given(
    st.lists(st.tuples(whole, whole, numbers)),
    st.sampled_from([" ", "\t", "  "]),
    st.sampled_from(["\n", "\r\n", " \n", "\n\n"]),
    st.booleans(),
)
@example([(1, 2, "1e-400"), (1, 2, "0.1e5"), (3, 4, "12345678901234567890123.5")], " ", "\n", True)
def test_reads_what_python_reads(entries, blank, newline, last):
    text = newline.join(blank.join(map(str, entry)) for entry in entries)
    rows, columns, values, fault = parse_triplets((text + newline * last).encode())
    assert fault == -1
    assert rows.tolist() == [entry[0] for entry in entries]
    assert columns.tolist() == [entry[1] for entry in entries]
    with np.errstate(over="ignore"):
        expected = np.array([float(entry[2]) for entry in entries]).astype(np.float32)
    np.testing.assert_array_max_ulp(values, expected, maxulp=1)
    exact = [
        len(entry[2].strip("+-").replace(".", "")) < 16 and "e" not in entry[2].lower()
        for entry in entries
    ]
    np.testing.assert_array_equal(values[exact], expected[exact])


@settings(deadline=None)
@given(st.lists(st.tuples(whole, whole)))
def test_lines_without_values(entries):
    text = "".join(f"{row} {column}\n" for row, column in entries)
    rows, columns, values, fault = parse_triplets(text.encode(), with_values=False)
    assert fault == -1
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == entries
    assert (values == 1).all()


@pytest.mark.parametrize(
    "line",
    [
        "x",
        "1",
        "1 ",
        "1 2",
        "1 2 ",
        "1 2 x",
        "1 2 nan",
        "1 2 inf",
        "1 2 1e",
        "1 2 -",
        "1 2 .",
        "1 2 1 3",
        "1 2 1x",
        "-1 2 1",
        "1.5 2 1",
        "1 2.5 1",
        "1 2.5",
        "1 2-3",
        "1,2,3",
        "9" * 19 + " 1 1",
        "1 2 1..2",
    ],
)
def test_faults_are_placed(line):
    before = "3 4 5\n6 7 8\n"
    rows, *_, fault = parse_triplets((before + line + "\n1 1 1\n").encode())
    assert fault == len(before)
    assert rows.tolist() == [3, 6]


@given(st.text(" \t\r\n", max_size=5), st.text(" \t\r\n", max_size=5))
def test_blanks_before_and_behind_are_no_lines(before, behind):
    lines = f"{before}\n1 2 3\n{behind}".encode()
    for text in (lines, f"{before}\n".encode(), behind.encode()):
        rows, columns, values, fault = parse_triplets(text)
        assert fault == -1
        found = list(zip(rows, columns, values, strict=True))
        assert found == ([(1, 2, 3)] if text is lines else [])


@settings(deadline=None)
@given(st.binary())
def test_any_bytes_end_in_numbers_or_a_fault(text):
    rows, columns, values, fault = parse_triplets(text)
    assert len(rows) == len(columns) == len(values) <= text.count(b"\n") + 1
    assert -1 <= fault < max(len(text), 1)


@pytest.mark.parametrize("mantissa", ["1", "9.5", "-3", "7.0000001", "0"])
def test_every_power_of_ten_is_read(mantissa):
    """On both sides of those that a double holds exactly, 22 and -22."""
    powers = range(-30, 31)
    text = "".join(f"1 2 {mantissa}e{power}\n" for power in powers)
    *_, values, fault = parse_triplets(text.encode())
    assert fault == -1
    expected = np.array([float(f"{mantissa}e{power}") for power in powers], np.float32)
    np.testing.assert_array_max_ulp(values, expected, maxulp=1)
    exact = np.abs(powers) <= 15
    np.testing.assert_array_equal(values[exact], expected[exact])
