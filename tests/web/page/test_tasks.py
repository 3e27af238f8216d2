"""Ten things that people come for, each with a mouse, with a keyboard alone, and on a phone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anndata
import pandas as pd
import pytest
from visits import visit

from cellport.runtime.decisions import text, words
from cellport.runtime.mapping.atlas import Atlas

TYPE = "#types tbody .link:text-is('endothelial')"
CONFIDENCE = "#types .what[aria-label='What is Confidence?']"
FIRST = "[...document.querySelectorAll('#by-group tbody .link')][0].innerText"


@pytest.mark.parametrize("how", ["mouse", "keyboard", "touch"])
def test_ten_things_are_done(how: str, site: str, lung: tuple[Atlas, Any], tmp_path: Path) -> None:
    def act(selector: str) -> list[Any]:
        return ["act", [how, selector]]

    dot: dict[str, list[list[Any]]] = {
        "mouse": [["pointer", ".ring"], ["text", ["dot", ".tip"]]],
        # the list beside the map is what keys reach best
        "keyboard": [["text", ["dot", "#selection"]]],
        "touch": [["tap at", ".ring"], ["text", ["dot", "#selection"]]],
    }
    column: dict[str, list[list[Any]]] = {
        "mouse": [["select", ["#group-by", "donor"]]],
        "keyboard": [["focus", "#group-by"], ["press", "d"]],
        "touch": [["select", ["#group-by", "donor"]]],
    }
    out = visit(
        site,
        tmp_path,
        ["verified"],
        # try it; is it the wrong tissue?
        act("#example"),
        ["mapped"],
        ["wait", 500],
        ["text", ["fit", "#notes"]],
        # find the endothelial cells, save them, see one, and what a dot is
        act(TYPE),
        ["text", ["found", "#selection h2"]],
        ["save", ["found.csv", "#selection button:has-text('Download as CSV')", how]],
        act("#selection tbody .link >> nth=0"),
        ["wait", 300],
        ["text", ["cell", "#selection h2"]],
        *dot[how],
        # what does the word mean?
        act(CONFIDENCE),
        ["text", ["word", ".bubble"]],
        ["press", "Escape"],
        # which sample has most unknown?
        *column[how],
        ["wait", 500],
        act("#by-group .sort >> nth=2"),
        ["evaluate", ["sample", FIRST]],
        # where is a gene?
        ["type", ["#gene", lung[0].panel.symbols[0]]],
        ["wait", 500],
        ["text", ["gene", "#legend h3"]],
        # what sets the type apart?
        act(TYPE),
        act("#selection button:has-text('Genes beside all others')"),
        ["wait", 500],
        ["count", ["genes", "#compared tbody tr"]],
        # a picture for a slide
        act("#view summary"),
        ["save", ["map.png", "#png", how]],
        # all results, and what the atlas is worth
        ["save", ["all.csv", "#intake button:has-text('Download results')", how]],
        act("#card summary"),
        ["text", ["card", "#card"]],
        ["axe", "axe"],
        ["shot", "tasks.png"],
        width=390 if how == "touch" else 1440,
        height=844 if how == "touch" else 900,
        touch=how == "touch",
    )
    said = out["values"]
    mapped = lung[0].map(lung[1])
    call = mapped["cellport_call"]
    of_type = (call == "endothelial").sum()
    assert text("report.fit") in said["fit"]
    assert said["found"] == f"{of_type} cells: endothelial"
    assert set(pd.read_csv(tmp_path / "found.csv")["cellport_call"]) == {"endothelial"}
    assert said["cell"].splitlines()[0] in said["dot"]
    assert "endothelial" in said["dot"]
    assert said["word"] == words("terms.prob")["text"]
    donor = anndata.read_h5ad(lung[1]).obs["donor"].astype(str).to_numpy()
    unknown = pd.Series(call == "unknown").groupby(donor).mean()
    assert unknown[said["sample"]] == unknown.max()
    assert said["gene"].startswith(lung[0].panel.symbols[0])
    assert said["genes"] > 10
    assert (tmp_path / "map.png").read_bytes()[:4] == b"\x89PNG"
    assert len(pd.read_csv(tmp_path / "all.csv")) == len(call)
    assert "Limits" in said["card"]
    assert said["axe"] == []
