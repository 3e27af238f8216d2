"""Whatever names a version of cellport names this one, and every option is one of the command."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cellport.cli import main

PLACES = {
    "snakemake/wrapper/environment.yaml": r"cellport =([\d.]+)$",
    "nf-core/modules/nf-core/cellport/map/environment.yml": r"cellport=([\d.]+)",
    "nf-core/modules/nf-core/cellport/map/main.nf": r"cellport:([\d.]+)--",
    "nf-core/modules/nf-core/cellport/map/tests/main.nf.test": r"raw/v([\d.]+)/",
    "galaxy/cellport_map/macros.xml": r'"@TOOL_VERSION@">([\d.]+)<',
    "bioconda/cellport/meta.yaml": r'version = "([\d.]+)"',
    "cwl/cellport-map.cwl": r'(?:cellport:|version: \[")([\d.]+)',
}
COMMANDS = (
    "snakemake/wrapper/wrapper.py",
    "nf-core/modules/nf-core/cellport/map/main.nf",
    "galaxy/cellport_map/cellport_map.xml",
    "cwl/cellport-map.cwl",
)


@pytest.mark.parametrize("place", PLACES)
def test_it_is_this_version(place: str, workflows: Path, version: str) -> None:
    found = re.findall(PLACES[place], (workflows / place).read_text(), re.M)
    assert found
    assert set(found) == {version}


@pytest.mark.parametrize("place", COMMANDS)
def test_its_options_are_those_of_the_command(place: str, workflows: Path) -> None:
    known = {name for option in main.commands["map"].params for name in option.opts}
    used = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", (workflows / place).read_text()))
    assert len(used) >= 4
    assert used - {"--version"} <= known
