"""Reports of one mapping laid beside each other."""

from __future__ import annotations

import re
from itertools import zip_longest

# who mapped, with what, how long
OWN = r"<tr><th scope=\"row\">(?:took|software)</th><td>.*?</td></tr>"
NUMBER = re.compile(r"\d[\d,]*\.?\d*")
# a browser's arithmetic ends in other digits: a number may be rounded to the next
DIGITS = 1.01


def assert_alike(page: str, command: str) -> None:
    """Tell where two reports differ: in words and markup not at all, in numbers by a last digit."""
    page, command = (re.sub(OWN, "", text) for text in (page, command))
    for line, (ours, theirs) in enumerate(zip_longest(_pieces(page), _pieces(command))):
        where = line, ours, theirs
        assert ours is not None, where
        assert theirs is not None, where
        assert NUMBER.sub("#", ours) == NUMBER.sub("#", theirs), where
        for one, other in zip(NUMBER.findall(ours), NUMBER.findall(theirs), strict=True):
            unit = 10.0 ** -len(other.partition(".")[2])
            one, other = (float(text.replace(",", "")) for text in (one, other))
            assert abs(one - other) <= DIGITS * unit, where


def _pieces(page: str) -> list[str]:
    return re.split(r"(?<=>)", page)
