from __future__ import annotations

import pytest

from cellport.runtime.base.names import listed


@pytest.mark.parametrize(
    ("names", "said"),
    [([], ""), (["a"], "a"), (["a", "b"], "a, b"), (["a", "b", "c", "d", "e"], "a, b and 3 more")],
)
def test_the_first_are_named_and_the_others_counted(names: list[str], said: str) -> None:
    assert listed(names, 2) == said
