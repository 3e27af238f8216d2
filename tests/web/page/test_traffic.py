"""What a visit takes over the wire: measured by the browser, from a server of a shipped atlas."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from visits import visit

from cellport.demo import write_sample

PRETRAINED = Path(__file__).resolve().parents[3] / "models" / "pretrained"
FIRST, SECOND = 7_000_000, 50_000


# the largest of those that come along, and the one that the cells are of
@pytest.mark.parametrize("atlas", ["human", "lung"])
def test_a_visit_is_small_and_the_next_one_hardly_anything(
    atlas: str, page_folder: Path, run_server: Callable[..., Any], tmp_path: Path
) -> None:
    """The browser is closed in between, and keeps what it may keep."""
    _, cells = write_sample(tmp_path)
    whole: list[list[Any]] = [
        ["verified"],
        ["choose", [str(cells)]],
        ["mapped"],
        ["save", ["cells.csv", "text=Download results"]],
        ["received", "all"],
    ]
    with run_server(atlas=PRETRAINED / f"{atlas}.cellport") as running:
        address = f"http://127.0.0.1:{running.port}/"
        first, second = (visit(address, tmp_path, *whole)["values"]["all"] for _ in range(2))
        print(f"{first:,} bytes, then {second:,}")
    assert 1_000_000 < first <= FIRST
    assert 0 < second <= SECOND
