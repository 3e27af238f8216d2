"""What `.ci/cover.py` makes of what coverage counted."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

PATH = Path(__file__).resolve().parent.parent / ".ci" / "cover.py"


@pytest.fixture(scope="module")
def cover() -> Any:
    spec = importlib.util.spec_from_file_location("cover", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def file(lines: tuple[int, int], branches: tuple[int, int], **missing: Any) -> dict[str, Any]:
    summary = {
        "num_statements": lines[1],
        "covered_lines": lines[0],
        "num_branches": branches[1],
        "covered_branches": branches[0],
        "percent_covered_display": "61",
    }
    return {"summary": summary, "missing_lines": [], "missing_branches": [], **missing}


def test_files_are_added_up_by_room(cover: Any) -> None:
    files = {
        "runtime/mapping/annotate/novelty.py": file((6, 10), (1, 4)),
        "runtime/mapping/atlas.py": file((10, 10), (4, 4)),
        "runtime/explain.py": file((10, 20), (0, 0)),
        "cellport/cli.py": file((0, 10), (1, 2)),
        "web/__init__.py": file((0, 0), (0, 0)),
    }
    assert cover.table(cover.counted(files)).splitlines()[2:] == [
        "| `cellport` | 10 | 0.0 | 2 | 50.0 |",
        "| `runtime` | 20 | 50.0 | 0 | 100.0 |",
        "| `runtime/mapping` | 20 | 80.0 | 8 | 62.5 |",
        "| together | 50 | 52.0 | 10 | 60.0 |",
    ]


def test_a_branch_from_a_line_that_was_not_run_is_not_named_again(cover: Any) -> None:
    gone = {"missing_lines": [7, 9], "missing_branches": [[3, 7], [7, 9], [7, 12]]}
    files = {"a/b.py": file((1, 3), (1, 4), **gone), "a/c.py": file((1, 1), (0, 0))}
    assert cover.missing(files) == "a/b.py: 7 9 3->7"
