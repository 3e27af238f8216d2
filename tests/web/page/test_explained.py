"""What a first visit understands without documentation, by mouse, touch and keyboard."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pytest
from visits import visit

from cellport.runtime.decisions import text, words
from cellport.runtime.mapping.atlas import Atlas
from cellport.runtime.report.numbers import percent

WHAT = ".what[aria-label='What is {}?']"
# the sentences of every question mark in sight, each opened as a keyboard opens it
OPENED = """(() => {
  const found = {};
  for (const button of document.querySelectorAll(".what")) {
    button.click();
    found[button.getAttribute("aria-label")] = document.querySelector(".bubble").textContent;
    button.click();
  }
  return found;
})()"""


def test_example_cells_are_mapped_in_one_click_and_said_in_the_reports_words(
    site: str, lung: tuple[Atlas, Any], tmp_path: Path
) -> None:
    out = visit(
        site,
        tmp_path,
        ["verified"],
        ["text", ["offer", "#intake"]],
        ["axe", "first"],
        ["offline"],
        ["click", "#example"],
        ["mapped"],
        ["text", ["lead", "#intake .lead"]],
        ["text", ["notes", "#notes"]],
        ["axe", "mapped"],
    )
    said = out["values"]
    assert "131 lung cells measured with Smart-seq2" in said["offer"]
    n_types = len(lung[0].manifest.labels)
    assert said["lead"].startswith("131 cells of lung_smartseq2.h5ad were laid onto the atlas lung")
    assert f"{n_types} types." in said["lead"]
    assert text("report.fit") in said["notes"]
    assert said["first"] == said["mapped"] == []
    after = out["requests"][out["requests"].index("offline") + 1 :]
    assert all(address.startswith("blob:") for address in after)


def test_every_word_is_explained_in_the_sentence_that_all_share(
    site: str, lung: tuple[Atlas, Any], tmp_path: Path
) -> None:
    out = visit(
        site,
        tmp_path,
        ["verified"],
        ["click", "#example"],
        ["mapped"],
        ["evaluate", ["of all", OPENED]],
        ["click", "#types tbody button >> nth=0"],
        ["click", "#selection tbody button >> nth=0"],
        ["evaluate", ["of a cell", OPENED]],
        ["axe", "cell"],
    )
    shown = out["values"]["of all"] | out["values"]["of a cell"]
    limits = asdict(lung[0].manifest.thresholds)
    names = ("call_prob", "set_level", "novelty_p")
    thresholds = {name: percent(limits[name], 1) for name in names}
    for term in ("call", "prob", "novel", "novelty_p", "label", "label_set", "quality", "genes"):
        said = words(f"terms.{term}")
        sentence = said["text"].format(**thresholds, low_depth=f"{limits['low_depth']:g}")
        assert shown[f"What is {said['title']}?"] == sentence
    assert "test cells of the atlas" in shown["What is verified?"]
    assert out["values"]["cell"] == []


@pytest.mark.parametrize("how", ["mouse", "touch", "keyboard"])
def test_an_explanation_opens_and_closes(how: str, site: str, tmp_path: Path) -> None:
    mark = "#intake " + WHAT.format("Unlike the atlas")
    steps: dict[str, list[list[Any]]] = {
        "mouse": [["hover", mark], ["wait", 500]],
        "touch": [["tap", mark]],
        "keyboard": [["focus", mark], ["press", "Enter"]],
    }
    shut: dict[str, list[list[Any]]] = {
        "mouse": [["hover", "h1"], ["wait", 500]],
        "touch": [["tap", "h1"]],
        "keyboard": [["press", "Escape"]],
    }
    out = visit(
        site,
        tmp_path,
        ["verified"],
        ["click", "#example"],
        ["mapped"],
        ["click", "#types tbody button >> nth=0"],
        *steps[how],
        ["text", ["open", ".bubble"]],
        ["evaluate", ["expanded", f'document.querySelector("{mark}").ariaExpanded']],
        ["evaluate", ["inside", INSIDE]],
        ["axe", "axe"],
        *shut[how],
        ["count", ["closed", ".bubble"]],
        ["count", ["selection", "#selection:not([hidden])"]],
        touch=how == "touch",
        width=390 if how == "touch" else 1440,
    )
    said = out["values"]
    assert said["open"].startswith("The cell looks like nothing in the atlas")
    assert said["expanded"] == "true"
    assert said["inside"]
    assert said["axe"] == []
    assert said["closed"] == 0
    # Escape shuts the sentence alone
    assert said["selection"] == 1


INSIDE = """(() => {
  const { left, right, top, bottom } = document.querySelector(".bubble").getBoundingClientRect();
  return left >= 0 && top >= 0 && right <= innerWidth && bottom <= innerHeight;
})()"""


def test_the_worst_is_said_first_and_at_most_three_groups_are_unfolded(
    site: str, strange: Path, tmp_path: Path
) -> None:
    groups = "#notes h3 ~ ul.cautions > li"
    out = visit(
        site,
        tmp_path,
        ["verified"],
        ["choose", [str(strange)]],
        ["mapped"],
        ["text", ["first", "#notes li >> nth=0"]],
        ["text", ["then", "#notes li >> nth=1"]],
        ["count", ["unfolded", groups]],
        ["count", ["folded", "#notes details li"]],
        ["axe", "notes"],
        ["click", "#notes details summary >> nth=0"],
        ["axe", "unfolded notes"],
        ["click", "#notes li button >> nth=0"],
        ["text", ["shown", "#selection h2"]],
    )
    said = out["values"]
    assert words("cautions.unlabelled")["text"] in said["first"]
    assert "of the cells look like nothing in the atlas." in said["then"]
    assert said["unfolded"] == 3
    assert said["folded"] >= 2
    assert said["shown"].endswith("cells: unknown")
    assert said["notes"] == said["unfolded notes"] == []


def test_few_genes_are_said_once(site: str, lung: tuple[Atlas, Any], tmp_path: Path) -> None:
    cells = anndata.read_h5ad(lung[1])
    symbols, first = lung[0].panel.symbols, lung[0].file.array("gene_loading").shape[1]
    telling = np.abs(lung[0].file.array("basis")[:, first:]).sum(axis=1)
    known = [symbols[gene] for gene in telling.argsort() if symbols[gene] in cells.var_names]
    cells[:, known[: len(known) * 2 // 9]].copy().write_h5ad(tmp_path / "few.h5ad")
    out = visit(
        site,
        tmp_path,
        ["verified"],
        ["choose", [str(tmp_path / "few.h5ad")]],
        ["mapped"],
        ["text", ["notes", "#notes"]],
    )
    said = out["values"]["notes"]
    assert "The genes of few.h5ad hold only" in said
    assert "labels are less sure below" not in said


def test_the_card_is_read_on_the_page(site: str, lung: tuple[Atlas, Any], tmp_path: Path) -> None:
    out = visit(
        f"{site}#card",
        tmp_path,
        ["verified"],
        ["text", ["card", "#card"]],
        ["count", ["rows", "#card tbody tr"]],
        ["count", ["markup", "#card :is(script, img, iframe)"]],
        ["axe", "axe"],
    )
    card = bytes(lung[0].file.read("README.md")).decode()
    said = out["values"]
    assert "Limits" in said["card"]
    assert "| ---" not in said["card"]
    rules = card.count("\n| ---")
    assert said["rows"] == card.count("\n| ") - 2 * rules
    assert said["markup"] == 0
    assert said["axe"] == []
