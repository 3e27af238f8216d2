"""The README is short, its links lead somewhere, and PyPI is given them with an address."""

from __future__ import annotations

import re
import runpy
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
_LINK = re.compile(r"(!?)\[[^]]*\]\(([^)\s]+)\)")


def test_it_is_short() -> None:
    assert len(README.splitlines()) < 160


@pytest.mark.parametrize("target", sorted({target for _, target in _LINK.findall(README)}))
def test_a_link_leads_somewhere(target: str) -> None:
    if not target.startswith("https://"):
        path, _, anchor = target.partition("#")
        assert (ROOT / path).exists()
        if anchor:
            heads = re.findall(r"^#+ (.+)$", (ROOT / path).read_text(), re.M)
            assert anchor in [
                re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads
            ]


def test_the_page_on_pypi_has_whole_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """As setup.py gives it to setuptools."""
    given: dict[str, Any] = {}
    monkeypatch.setattr("setuptools.setup", lambda **settings: given.update(settings))
    monkeypatch.setattr(sys, "argv", ["setup.py", "--version"])
    monkeypatch.chdir(ROOT)
    runpy.run_path(str(ROOT / "setup.py"), run_name="setup")
    home = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Source"]
    links = _LINK.findall(given["long_description"])
    assert len(links) == len(_LINK.findall(README)) > 20
    for picture, target in links:
        assert target.startswith("https://")
        if picture:
            assert target == f"{home}/raw/main/docs/images/demo.png"
