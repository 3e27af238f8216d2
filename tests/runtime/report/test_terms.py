from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from cellport.runtime.report.terms import explained


def test_every_column_is_explained_in_a_sentence(made_up: Any) -> None:
    c = made_up.contents(made_up.cells(50))
    said = {key: text for key, _, text in explained(c)}
    assert {"call", "prob", "label_set", "novel", "novelty_p", "unknown", "broader"} <= set(said)
    assert "model_prob" not in said
    shown = " ".join(made_up.page(c).text.split())
    for text in said.values():
        assert re.fullmatch(r"[A-Z][^{}]*\.", text)
        assert " ".join(text.split()) in shown


def test_terms_are_those_of_the_atlas(made_up: Any) -> None:
    c = made_up.contents(made_up.cells(50))
    bare = replace(c.manifest, head=replace(c.manifest.head, set_prob=()), fill="zero")
    said = {key: text for key, _, text in explained(replace(c, manifest=bare))}
    assert said.keys().isdisjoint({"prob", "genes"})
    assert "nothing tells how often" in said["model_prob"]
    assert "counts as zero" in said["genes_zero"]
