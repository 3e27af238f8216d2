from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from typing import Any

import numpy as np
import pytest

from cellport.runtime.atlas.manifest import Calibration, Head
from cellport.runtime.report.words import cautions, first_look


def plain(markup: str) -> str:
    return unescape(re.sub("<.*?>", "", markup)).replace("\xa0", " ")


def titles(c: Any, *, serious: bool = True) -> list[str]:
    return [plain(x.title) for x in cautions(c) if x.serious is serious]


def fine(made_up: Any, **keywords: Any) -> Any:
    return made_up.cells(1000, sure=0.95, quality=(0.99, 0.0, 0.01, 0.0), **keywords)


def test_nothing_to_say_of_a_good_query(made_up: Any) -> None:
    assert cautions(made_up.contents(fine(made_up, novel=0.04))) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"coverage": 0.45}, "Only 45 % of the atlas’s genes were found in query.h5ad"),
        ({"organism": "mouse"}, "The gene names of query.h5ad are not those of human"),
    ],
)
def test_genes(change: dict[str, Any], words: str, made_up: Any) -> None:
    c = made_up.contents(fine(made_up))
    c = replace(c, facts={**c.facts, "genes": {**c.genes[0], **change}})
    assert any(title.startswith(words) for title in titles(c))


def test_genes_are_judged_by_what_they_tell_where_the_atlas_does(made_up: Any) -> None:
    head = Head("softmax", Calibration("held_out_cells", 0.0, 1.0, 2.0), (), 0.0)
    c = made_up.contents(fine(made_up), head=head, fill="factors")
    c = replace(c, facts={**c.facts, "genes": {**c.genes[0], "share": 0.9, "coverage": 0.5}})
    assert "The genes of query.h5ad hold only 50 % of what tells the atlas’s types apart" in titles(
        c
    )


def test_many_files_are_one_caution(made_up: Any) -> None:
    c = made_up.contents(fine(made_up, queries=tuple("abcde")))
    genes = {str(i): {**c.genes[0], "coverage": 0.3 + i / 10} for i in range(5)}
    found = titles(replace(c, facts={**c.facts, "genes": genes}))
    assert found == ["Only 30 % of the atlas’s genes were found in a, b, c"]


def test_an_organism_that_nobody_states_is_no_reason_to_worry(made_up: Any) -> None:
    c = made_up.contents(fine(made_up), organism="")
    c = replace(c, facts={**c.facts, "genes": {**c.genes[0], "organism": "mouse"}})
    assert titles(c) == []


def test_shallow_empty_and_unlabelled_cells(made_up: Any) -> None:
    cells = made_up.cells(1000, groups=(), sure=0.5, quality=(0.6, 0.2, 0.2, 0.0))
    found = " ".join(titles(made_up.contents(cells)))
    assert "of the cells have very few counts" in found
    assert "cells without any count" in found
    assert "of the cells have no label" in found


def test_many_novel_cells(made_up: Any) -> None:
    found = titles(made_up.contents(fine(made_up, novel=0.3)))
    assert len(found) == 1
    assert found[0].endswith("of the cells look like nothing in the atlas")


@pytest.mark.parametrize(("factor", "word"), [(0.5, "compressed"), (2.0, "shifted")])
def test_a_query_that_is_off_as_a_whole(factor: float, word: str, made_up: Any) -> None:
    cells = fine(made_up)
    cells.obsm["X_cellport"][:] *= np.float32(factor)
    c = made_up.contents(cells)
    assert titles(c) == [f"The query is {word} as a whole"]
    assert f"the query is {word}" in made_up.page(c).text


def test_counts_from_elsewhere_are_mentioned(made_up: Any) -> None:
    c = made_up.contents(fine(made_up), {"counts_from": ["/a/b/q.h5ad, layers['counts']"]})
    assert titles(c) == []
    assert titles(c, serious=False) == ["Raw counts were taken from layers['counts'] of q.h5ad"]


def test_the_serious_comes_first(made_up: Any) -> None:
    c = made_up.contents(fine(made_up, novel=0.3))
    steps = [plain(step) for step in first_look(c)]
    assert "look like nothing in the atlas" in steps[0]
    assert any(step.startswith("Do the types fit your tissue?") for step in steps)
    assert "cellport_call in mapped.h5ad" in steps[-1]


def test_the_worst_comes_before_what_follows_from_it(made_up: Any) -> None:
    cells = made_up.cells(1000, groups=(), sure=0.5, novel=0.3, quality=(0.6, 0.2, 0.2, 0.0))
    c = made_up.contents(cells)
    genes = {**c.genes[0], "coverage": 0.45, "organism": "mouse"}
    found = [caution.kind for caution in cautions(replace(c, facts={**c.facts, "genes": genes}))]
    assert found == ["organism", "few_genes", "unlabelled", "strange", "shallow", "empty"]
