"""What CONTRIBUTING.md shows is what is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "CONTRIBUTING.md").read_text()


def test_the_example_of_a_column_is_one_of_ours() -> None:
    found = re.search(
        r"<!-- (\S+\.py): begin -->\n```python\n(.*?)```\n<!-- \1: end -->", PAGE, re.DOTALL
    )
    assert found is not None
    name, shown = found.groups()
    assert shown == (ROOT / name).read_text()
    assert len(shown.splitlines()) <= 30


def test_every_path_is_there() -> None:
    for name in re.findall(r"`((?:runtime|train|models|kernels|tests|web|docs)/[\w./]+)`", PAGE):
        if name != "web/page/dist":
            assert (ROOT / name).exists(), name
