from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellport.runtime.mapping.gather.novel_groups import NovelGroup
from cellport.runtime.report.page import render

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style></title><svg onload=alert(1)>",
    "&lt;b&gt; & 'quoted'",
    "\u202egnp.exe\x00",
    "x" * 5000,
)
ORDINARY = {"class", "id", "style", "aria-label", "aria-hidden", "aria-labelledby", "role", "scope"}


def test_it_begins_with_what_was_found(made_up: Any) -> None:
    cells = made_up.cells(1000, novel=0.01)
    c = made_up.contents(cells)
    text = made_up.page(c).text
    sure = c.findings.outcome["sure"]
    assert "1,000 cells of query.h5ad were laid onto the atlas small" in text
    assert f"{sure / 10:.0f} % of them got a cell type with confidence" in text
    assert f"{c.findings.n_novel} cells" in text
    assert "look like nothing in the atlas" in text
    assert "90 of the 100 genes" in text
    assert "the true one is among them for 90 % of cells" in text
    assert "4 March 2026" in text
    assert "/home/someone" not in render(c)


def test_folders_stay_private(made_up: Any) -> None:
    notes = ["/home/someone/query.h5ad, X lacks genes", "query.h5ad, X lacks genes"]
    page = render(made_up.contents(made_up.cells(10), {"notes": notes}))
    assert "someone" not in page
    assert page.count("query.h5ad, X lacks genes") == 1


def test_sections_come_with_their_columns(made_up: Any) -> None:
    def sections(**keywords: Any) -> set[str]:
        page = made_up.page(made_up.contents(made_up.cells(200, **keywords)))
        return {attrs["id"] for tag, attrs in page.tags if tag == "section"}

    always = {"first", "map", "novelty", "spread", "quality", "genes", "terms", "made"}
    labelled = {"labels", "confidence", "unsure"}
    assert sections() == always | labelled
    assert sections(sure=1.0) == always | labelled - {"unsure"}
    assert sections(queries=("a", "b")) == always | labelled | {"files"}
    assert sections(labels=()) == always


def test_a_page_of_no_cells(made_up: Any) -> None:
    text = made_up.page(made_up.contents(made_up.cells(0, novel=0.1))).text
    assert "0 cells of query.h5ad were laid onto" in text
    assert "nan" not in text


def check_asks_nothing(page: str, read: Any) -> Any:
    """Nothing is fetched or run: no such element, no such attribute, no address but anchors."""
    parsed = read(page)
    for tag, attrs in parsed.tags:
        assert tag not in ("script", "img", "link", "iframe", "object", "embed", "form", "base")
        assert not any(name.startswith("on") or name == "src" for name in attrs)
        assert attrs.get("href", "#").startswith("#")
    sheet = re.search("<style>(.*?)</style>", page, re.DOTALL)
    assert sheet is not None
    assert "url(" not in sheet[1]
    assert "@import" not in sheet[1]
    assert "http" not in page.replace("http-equiv", "")
    assert "default-src 'none'" in page
    return parsed


@pytest.mark.parametrize("novel", [0.0, 0.2])
def test_names_from_files_are_only_text(novel: float, made_up: Any, forgery: Any) -> None:
    cells = made_up.cells(
        300, labels=HOSTILE, groups=("<i>group</i>",), queries=HOSTILE[:2], novel=novel
    )
    made = forgery.manifest().provenance
    origin = replace(made, licence=HOSTILE[1], created=HOSTILE[2], authors=HOSTILE[3])
    c = made_up.contents(cells, name=HOSTILE[0], organism=HOSTILE[4], provenance=origin)
    genes = {
        **c.genes[0], "missing": list(HOSTILE), "column": HOSTILE[0], "organism": HOSTILE[1],
        "by_rule": {HOSTILE[2]: 90}, "n_ambiguous": 3, "n_duplicated": 1,
    }  # fmt: skip
    facts = {
        **c.facts, "genes": {"0": genes, "1": genes}, "notes": list(HOSTILE),
        "counts_from": [f"{HOSTILE[0]}, layers['{HOSTILE[1]}']", HOSTILE[2]],
        "atlas_sha256": HOSTILE[1], "device": HOSTILE[0], "cellport_version": HOSTILE[3],
    }  # fmt: skip
    page = render(replace(c, facts=facts, out=HOSTILE[0]))
    parsed = check_asks_nothing(page, made_up.read)
    assert "<script>alert(1)</script>" in parsed.text
    assert not set("\u202e\x00") & set(page)
    assert "x" * 1000 not in page


@settings(max_examples=25, deadline=None)
@given(labels=st.lists(st.text(max_size=30), min_size=1, max_size=5, unique=True).map(tuple))
def test_any_labels_make_a_page(labels: tuple[str, ...], made_up: Any) -> None:
    cells = made_up.cells(60, labels=labels, novel=0.1)
    check_asks_nothing(render(made_up.contents(cells)), made_up.read).text.encode()


def test_those_who_made_the_reference_are_named(made_up: Any, forgery: Any) -> None:
    stated = {"authors": "Kim & others", "attribution": "Kim et al. 2020"}
    origin = replace(forgery.manifest().provenance, **stated)
    page = render(made_up.contents(made_up.cells(60), provenance=origin))
    text = check_asks_nothing(page, made_up.read).text
    assert "reference by Kim & others to be named Kim et al. 2020" in text


def test_groups_unlike_the_atlas(made_up: Any) -> None:
    markers = ("GENE<1>", *(f"M{i}" for i in range(50)))
    group = NovelGroup(84, 0.02, 0.5, "a <i>type</i>", 0.5, markers, ())
    c = replace(made_up.contents(made_up.cells(300, novel=0.2)), groups=(group,))
    text = check_asks_nothing(render(c), made_up.read).text
    assert "each alone); they resemble a <i>type</i> but" in text
    assert "GENE<1> M0 M1" in text
    assert "M20" not in text
    assert "1 group of cells unlike the atlas: look at their marker genes" in text


def test_a_million_cells_of_many_types_stay_small(made_up: Any) -> None:
    labels = tuple(f"a type of cell with quite a long name, number {i}" for i in range(300))
    cells = made_up.cells(1_000_000, labels=labels, novel=0.05)
    page = render(made_up.contents(cells))
    assert len(page.encode()) < 500_000
    text = made_up.read(page).text
    assert "5,000 of the 1,000,000 mapped cells, picked evenly by a fixed rule" in text
    assert page.count("h0") > 5000


def test_it_can_be_read_without_seeing_it(made_up: Any) -> None:
    page = made_up.page(made_up.contents(made_up.cells(200, novel=0.1)))
    headings = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(headings))
    drawn = [attrs for _, attrs in page.tags if attrs.get("role") == "img"]
    assert len(drawn) == 4
    assert all(len(attrs["aria-label"]) > 10 for attrs in drawn)
    assert page.tags[0] == ("html", {"lang": "en"})
    anchors = {a["href"][1:] for tag, a in page.tags if tag == "a"}
    assert anchors <= set(page.ids)


def test_cells_without_a_place_are_not_drawn(made_up: Any) -> None:
    cells = made_up.cells(50)
    cells.obsm["X_cellport_umap"][:20] = np.nan
    page = render(made_up.contents(cells))
    assert page.count("h0") == 300 + 30
    assert "NaN" not in page


def test_an_atlas_says_how_good_it_is_or_that_it_does_not(made_up: Any) -> None:
    cells = made_up.cells(20)
    page = made_up.page(made_up.contents(cells))
    assert "On 200 reference cells of batches kept out of training, 90 % of" in page.text
    page = made_up.page(made_up.contents(cells, held_out=None))
    assert "does not say how often its labels are right" in page.text
