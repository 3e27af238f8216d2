"""Looking around on the map: names, what a dot is, marks, pictures, small screens, the keyboard."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from visits import MAPPED, visit

from cellport.runtime.mapping.atlas import Atlas

SVG = "{http://www.w3.org/2000/svg}"
# one cell chosen, round which there is a ring
CHOSEN: list[list[Any]] = [
    ["click", "#types tbody button >> nth=0"],
    ["click", "#selection tbody button >> nth=0"],
    ["wait", 300],
]
BOXES = """[...document.querySelectorAll(".names text, .trajectory text")].map((one) => {
  const { left, right, top, bottom } = one.getBoundingClientRect();
  return [left, right, top + 2, bottom - 2];
})"""
COLOURED = """(() => {
  const from = document.querySelector("#canvas");
  const to = document.createElement("canvas");
  [to.width, to.height] = [from.width, from.height];
  const pen = to.getContext("2d");
  pen.drawImage(from, 0, 0);
  const { data } = pen.getImageData(0, 0, to.width, to.height);
  let found = 0;
  for (let at = 0; at < data.length; at += 4) {
    if (Math.min(data[at], data[at + 1], data[at + 2]) < 250) found++;
  }
  return found;
})()"""
FILLS = """[...document.querySelectorAll("#legend .entries button")].map((one) => [
  one.querySelector(".name").textContent, one.querySelector("path").getAttribute("fill"),
])"""
# a field to write in is as high as its letters
HIGH_ENOUGH = """[...document.querySelectorAll("#options label input:not([type=checkbox])")].every(
  (one) => one.getBoundingClientRect().height >= 18 &&
    one.getBoundingClientRect().bottom <= one.parentElement.getBoundingClientRect().bottom + 1,
)"""
IN_SIGHT = """(() => {
  const { top, bottom } = document.querySelector("#canvas").getBoundingClientRect();
  return scrollY === 0 && top >= 0 && bottom <= innerHeight;
})()"""


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (1024, 768), (390, 844)])
def test_names_do_not_lie_over_each_other_and_the_map_is_in_sight(
    width: int, height: int, site: str, tmp_path: Path
) -> None:
    out = visit(
        site,
        tmp_path,
        *MAPPED,
        ["evaluate", ["map in sight", IN_SIGHT]],
        ["evaluate", ["boxes", BOXES]],
        ["click", "[aria-label='Zoom in']"],
        ["click", "[aria-label='Zoom in']"],
        ["wait", 200],
        ["evaluate", ["zoomed", BOXES]],
        width=width,
        height=height,
    )
    said = out["values"]
    assert said["map in sight"]
    assert len(said["boxes"]) >= 8
    for boxes in (said["boxes"], said["zoomed"]):
        for a, b in itertools.combinations(boxes, 2):
            apart = a[1] <= b[0] or b[1] <= a[0] or a[3] <= b[2] or b[3] <= a[2]
            assert apart, (a, b)


@pytest.mark.parametrize(
    ("width", "height", "touch"), [(1440, 900, False), (1024, 768, False), (390, 844, True)]
)
def test_the_map_is_in_sight_before_cells_are_mapped(
    width: int, height: int, touch: bool, site: str, tmp_path: Path
) -> None:
    out = visit(
        site,
        tmp_path,
        ["verified"],
        ["wait", 300],
        ["evaluate", ["map in sight", IN_SIGHT]],
        ["evaluate", ["overflow", "document.documentElement.scrollWidth - innerWidth"]],
        ["axe", "axe"],
        ["click", "#options summary"],
        ["evaluate", ["fields", HIGH_ENOUGH]],
        ["axe", "options"],
        width=width,
        height=height,
        touch=touch,
    )
    assert out["values"] == {
        "map in sight": True,
        "overflow": 0,
        "axe": [],
        "fields": True,
        "options": [],
    }


def test_a_dot_says_what_it_is_and_the_chosen_one_has_a_ring(site: str, tmp_path: Path) -> None:
    out = visit(
        site,
        tmp_path,
        *MAPPED,
        *CHOSEN,
        ["text", ["cell", "#selection h2"]],
        ["pointer", ".ring"],
        ["wait", 200],
        ["text", ["tip", ".tip"]],
        ["axe", "axe"],
        ["hover", "h1"],
        ["count", ["gone", ".tip:not([hidden])"]],
    )
    said = out["values"]
    name, call, *_ = said["tip"].split("\n")
    assert name == said["cell"]
    assert call.startswith("endothelial (")
    assert said["gone"] == 0
    assert said["axe"] == []


def test_orange_is_unlike_the_atlas_and_nothing_else(
    site: str, strange: Path, tmp_path: Path
) -> None:
    out = visit(
        site,
        tmp_path,
        *MAPPED,
        ["evaluate", ["types", FILLS]],
        ["select", ["#colour", "cell_type"]],
        ["wait", 1500],
        ["evaluate", ["column", FILLS]],
        ["choose", [str(strange)]],
        ["wait", 500],
        ["mapped"],
        ["select", ["#colour", "Unlike the atlas"]],
        ["wait", 1500],
        ["evaluate", ["novel", FILLS]],
    )
    said = out["values"]
    orange = "rgb(214 90 0)"
    assert dict(said["novel"])["unlike the atlas"] == orange
    assert [name for name, fill in said["novel"] if fill == orange] == ["unlike the atlas"]
    assert orange not in dict(said["types"]).values()
    assert len(said["column"]) > 20
    assert orange not in dict(said["column"]).values()


def test_dots_grow_and_the_reference_and_names_can_be_put_away(site: str, tmp_path: Path) -> None:
    out = visit(
        site,
        tmp_path,
        *MAPPED,
        ["evaluate", ["usual", COLOURED]],
        ["click", "#view summary"],
        ["axe", "menu"],
        ["evaluate", ["grown", "document.querySelector('#size').value = 2"]],
        ["focus", "#size"],
        ["press", "ArrowRight"],
        ["wait", 200],
        ["evaluate", ["large", COLOURED]],
        ["click", "#show-reference"],
        ["wait", 200],
        ["evaluate", ["alone", COLOURED]],
        ["click", "#show-names"],
        ["wait", 200],
        ["count", ["names", ".names text"]],
        ["press", "Escape"],
        ["count", ["open", "#view[open]"]],
    )
    said = out["values"]
    assert said["large"] > 2 * said["usual"]
    assert 0 < said["alone"] < 0.7 * said["large"]
    assert said["names"] == 0
    assert said["menu"] == []
    assert said["open"] == 0


def test_cells_are_chosen_with_the_keyboard_alone(site: str, tmp_path: Path) -> None:
    out = visit(
        site,
        tmp_path,
        *MAPPED,
        ["focus", "#canvas"],
        ["press", "a"],
        ["text", ["in sight", "#selection h2"]],
        *([["press", "+"]] * 5),
        ["press", "a"],
        ["evaluate", ["fewer", "document.querySelector('#selection h2')?.textContent ?? ''"]],
        ["press", "Escape"],
        ["press", "0"],
        ["count", ["none", "#selection:not([hidden])"]],
    )
    said = out["values"]
    assert said["in sight"] == "131 cells selected"
    assert said["none"] == 0
    assert said["fewer"] != said["in sight"]


@pytest.mark.parametrize("webgl", [False, True])
def test_pictures_hold_the_map_its_names_and_legend(
    webgl: bool, site: str, lung: tuple[Atlas, Any], tmp_path: Path
) -> None:
    visit(
        site,
        tmp_path,
        *MAPPED,
        ["click", "#view summary"],
        ["download", ["map.svg", "Save picture (SVG)"]],
        ["download", ["map.png", "Save picture (PNG)"]],
        webgl=webgl,
    )
    root = ET.parse(tmp_path / "map.svg").getroot()
    words = [one.text for one in root.iter(f"{SVG}text")]
    assert words[0] == "lung_smartseq2 on lung"
    assert "Cell type" in words
    assert words.count("endothelial") == 2
    dots = [one for one in root.iter(f"{SVG}path") if "scale" in one.get("transform", "")]
    assert len(dots) == 131 + len(lung[0].file.array("reference_label"))
    png = (tmp_path / "map.png").read_bytes()
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    size = [int.from_bytes(png[at : at + 4]) for at in (16, 20)]
    assert size == [2 * int(root.get(side, "0")) for side in ("width", "height")]
