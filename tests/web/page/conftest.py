"""Running the page's own tests on what Python has computed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[3] / "web" / "page"


@pytest.fixture(scope="session")
def page_folder() -> Path:
    """Where the page's source is, with what it needs to run its tests."""
    if shutil.which("node") is None or not (PAGE / "node_modules").is_dir():
        pytest.skip("the page's tests need node, and `npm install` in web/page/")
    return PAGE


@pytest.fixture(scope="session")
def compute_again(page_folder: Path) -> Callable[..., None]:
    """Run tests of the page, by the names of their files, on the vectors in a folder."""

    def run(vectors: Path, *tests: str) -> None:
        done = subprocess.run(
            ["npx", "--no-install", "vitest", "run", *tests, "--reporter=dot"],
            cwd=page_folder,
            env={**os.environ, "CELLPORT_WEB_VECTORS": str(vectors), "NO_COLOR": "1", "CI": "1"},
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "skipped" not in done.stdout, done.stdout

    return run
