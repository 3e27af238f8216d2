"""A site of several atlases: the page offers a choice, which stands in its address."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from visits import served, visit

from cellport.demo import demo_example
from cellport.runtime.mapping.atlas import load_atlas
from cellport.web.server.publish import publish

PRETRAINED = Path(__file__).resolve().parents[3] / "models" / "pretrained"
NAMES = ("lung", "blood")
TITLE = ["text", ["title", "h1"]]
CHOSEN = ["evaluate", ["chosen", "new URLSearchParams(location.search).get('atlas')"]]
HERE = [["verified"], TITLE, CHOSEN]
# the list is there once its first entry is
LISTED = ["hover", "#choice a >> nth=0"]


@pytest.fixture(scope="module")
def several(page_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    atlases = [load_atlas(PRETRAINED / f"{name}.cellport") for name in NAMES]
    folder = tmp_path_factory.mktemp("several")
    examples = [demo_example(atlas.manifest) for atlas in atlases]
    publish([atlas.file.path for atlas in atlases], folder / "site", example=examples)
    with served(folder) as address:
        yield f"{address}/site/"


@pytest.mark.parametrize("how", ["mouse", "keyboard", "touch"])
def test_an_atlas_is_chosen_and_given_back(how: str, several: str, tmp_path: Path) -> None:
    out = visit(
        several,
        tmp_path,
        LISTED,
        ["text", ["list", "#choice"]],
        ["count", ["entries", "#choice li"]],
        ["axe", "choice"],
        ["view", "choice.png"],
        ["act", [how, "#choice a >> nth=0"]],
        *HERE,
        ["axe", "atlas"],
        ["evaluate", ["back", "history.back()"]],
        LISTED,
        ["text", ["again", "#choice"]],
        ["act", [how, "#choice a >> nth=1"]],
        ["verified"],
        ["text", ["second", "h1"]],
        ["act", [how, "#others"]],
        LISTED,
        ["text", ["third", "#choice"]],
        touch=how == "touch",
        width=390 if how == "touch" else 1440,
    )
    said = out["values"]
    assert said["entries"] == len(NAMES)
    for name in NAMES:
        manifest = load_atlas(PRETRAINED / f"{name}.cellport").manifest
        cells = f"{manifest.provenance.cells:,} reference cells"
        for words in (manifest.name, manifest.organism, manifest.labels[0], cells, " MB"):
            assert words in said["list"]
    assert said["chosen"] == "lung"
    assert said["title"] != said["second"]
    assert said["list"] == said["again"] == said["third"]
    assert said["choice"] == said["atlas"] == []


def test_nothing_is_fetched_once_the_atlas_is_verified(several: str, tmp_path: Path) -> None:
    out = visit(
        f"{several}?atlas=lung",
        tmp_path,
        *HERE,
        ["offline"],
        ["click", "#example"],
        ["mapped"],
        ["save", ["page.csv", "text=Download results (CSV)"]],
        ["save", ["page.html", "text=Save the report (HTML)"]],
    )
    at = out["requests"].index("offline")
    assert all(address.startswith("blob:") for address in out["requests"][at + 1 :])
    assert not any("pbmc" in address for address in out["requests"])


def test_an_atlas_that_is_not_there_is_said_to_be(several: str, tmp_path: Path) -> None:
    out = visit(
        f"{several}?atlas=liver",
        tmp_path,
        ["refused", "said"],
        ["count", ["entries", "#choice li"]],
        ["axe", "axe"],
    )
    assert out["values"] == {
        "said": "There is no atlas 'liver' here.",
        "entries": len(NAMES),
        "axe": [],
    }


def test_one_atlas_is_shown_without_a_choice(site: str, tmp_path: Path) -> None:
    out = visit(site, tmp_path, *HERE, ["count", ["others", "#others:not([hidden])"]])
    said: dict[str, Any] = out["values"]
    assert said["chosen"] is None
    assert said["others"] == 0
