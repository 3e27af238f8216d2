"""Runs the tutorials: their blocks in order, each tutorial in a folder of its own.

    python docs/tools/tutorials.py

runs all and keeps the pictures that they draw, in ``docs/images/tutorials``. A block of ``bash`` or
``python`` runs; what follows as ``text`` is what it prints. `tests/docs/test_tutorials.py` runs
them too.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir, redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

DOCS = Path(__file__).resolve().parents[1]
PAGES = sorted((DOCS / "tutorials").glob("*.md"))
PICTURES = DOCS / "images" / "tutorials"
_BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.DOTALL | re.M)
_PICTURE = re.compile(r"!\[[^]]+\]\(\.\./images/tutorials/([\w-]+\.png)\)")


class Block(NamedTuple):
    """Code of a tutorial."""

    language: str
    code: str
    prints: str  # what the page says that it prints; empty where it says nothing


def blocks(page: Path) -> Iterator[Block]:
    """Yield the code of a page, in order."""
    for language, code, prints in _BLOCK.findall(page.read_text()):
        yield Block(language, code, prints)


def pictures(page: Path) -> list[str]:
    """Return the names of the pictures that a page shows."""
    return _PICTURE.findall(page.read_text())


def run(page: Path, folder: Path) -> Iterator[tuple[Block, str]]:
    """Run the blocks of a page in a folder, and yield what each printed."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks(page):
        with chdir(folder):
            yield block, _shell(block) if block.language == "bash" else _python(block, names)


def _shell(block: Block) -> str:
    # the commands of this installation, wherever it is
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    done = subprocess.run(
        ["bash", "-ec", block.code],
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": path},
    )
    if done.returncode:
        raise RuntimeError(f"{block.code}\n{done.stderr}")
    return done.stdout


def _python(block: Block, names: dict[str, Any]) -> str:
    printed = StringIO()
    with redirect_stdout(printed):
        exec(block.code, names)
    return printed.getvalue()


def main() -> None:
    """Run all, or those named, and keep their pictures."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    for page in PAGES:
        if sys.argv[1:] and page.stem not in sys.argv[1:]:
            continue
        with TemporaryDirectory() as folder:
            for block, printed in run(page, Path(folder)):
                if block.prints != printed:
                    print(f"{page.name}:\n{block.code}\nprinted:\n{printed}")
            for name in pictures(page):
                shutil.copy(Path(folder) / name, PICTURES)


if __name__ == "__main__":
    main()
