"""Every block of the tutorials runs, prints what the page says, and draws its pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tutorials

PAGES = [page for page in tutorials.PAGES if page.stem != "index"]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_it_runs_as_it_stands(page: Path, tmp_path: Path) -> None:
    ran = 0
    for block, printed in tutorials.run(page, tmp_path):
        ran += 1
        if block.prints:
            assert printed == block.prints, block.code
    assert ran >= 3
    for name in tutorials.pictures(page):
        assert _colours(tmp_path / name) > 50
        assert _colours(tutorials.PICTURES / name) > 50


def _colours(picture: Path) -> int:
    from matplotlib.image import imread

    pixels = imread(picture)
    return len(np.unique(pixels.reshape(-1, pixels.shape[2]), axis=0))


def test_blocks_are_found_with_what_they_print(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```bash\necho 1\n```\n\n```text\n1\n```\n\n```python\nprint(2)\n```\n")
    found = list(tutorials.run(page, tmp_path))
    assert [(block.code, block.prints, printed) for block, printed in found] == [
        ("echo 1\n", "1\n", "1\n"),
        ("print(2)\n", "", "2\n"),
    ]
    page.write_text("```bash\nfalse\n```\n")
    with pytest.raises(RuntimeError, match="false"):
        list(tutorials.run(page, tmp_path))
    assert len(PAGES) >= 5
