"""A threshold is told of where it decides something, and has a meaning."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import pytest

from cellport.runtime.atlas.thresholds import MEANING, thresholds_that_apply

OF_CALLS, OF_NOVELTY = {"set_level", "call_prob"}, {"novelty_p"}


@pytest.mark.parametrize("has_reference", [True, False])
@pytest.mark.parametrize("has_calls", [True, False])
def test_what_decides_nothing_is_left_out(
    forgery: Any, has_reference: bool, has_calls: bool
) -> None:
    made = forgery.manifest()
    of_reference = set() if has_reference else {"novelty_score"}
    answers = tuple(name for name in made.answers if name not in of_reference)
    set_prob = (0.1,) * len(made.labels) if has_calls else ()
    manifest = replace(made, answers=answers, head=replace(made.head, set_prob=set_prob))
    without = (OF_NOVELTY if not has_reference else set()) | (OF_CALLS if not has_calls else set())
    every = asdict(made.thresholds)
    assert set(MEANING) == set(every)
    found = thresholds_that_apply(manifest)
    assert found == {name: number for name, number in every.items() if name not in without}
