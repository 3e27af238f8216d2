"""Every decision is taken by both runtimes, and every sentence gets what it has places for."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter
from typing import Any

import pytest

from cellport.runtime import decisions
from cellport.runtime.atlas.arrays import ARRAYS, EXACT_BELOW

ROOT = Path(__file__).resolve().parents[2]
ALL = json.loads((ROOT / "runtime" / "decisions.json").read_text())
NAMES = [f"{subject}.{name}" for subject, entries in ALL.items() for name in entries]
# of the package itself, what the command line says
PYTHON = "\n".join(
    path.read_text()
    for path in [*(ROOT / "runtime").rglob("*.py"), *(ROOT / "cellport").glob("*.py")]
)
PAGE = "\n".join(path.read_text() for path in (ROOT / "web" / "page" / "src").rglob("*.ts"))
# a browser is given files: it sees no addresses, no locks, and no folders to search
PYTHON_ALONE = {
    f"files.{name}"
    for name in [
        "not_local",
        "locked",
        "left_open",
        "unlockable",
        "no_matrix",
        "h5_without_counts",
        "found_in_folder",
        "several_in_folder",
        "one_of_three",
        "perhaps_in_folder",
        "several_in_store",
    ]
}
# a browser bounds the memory of what reads HDF5
PYTHON_ALONE |= {"files.overstated"}
# and saves the table of cells when it is asked to
PYTHON_ALONE |= {"report.in_file"}
# models of other tools are converted and counts summed up on the command line, why a label was
# given is told there and in reports, and what term a label is, is found where a site is made
IN_PYTHON = ("convert", "explain", "ontology", "pseudobulk")
ACCESSORS = ("number", "whole", "text", "texts", "words", "table", "rows", "say", "decided")


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Names of decisions asked for by Python, and where."""
    for path in (ROOT / "runtime").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            named = isinstance(node, ast.Call) and getattr(node.func, "id", "") in ACCESSORS
            if named and node.args and isinstance(node.args[0], ast.Constant):
                yield node.args[0].value, node


@pytest.mark.parametrize("name", NAMES)
def test_both_runtimes_take_it(name: str) -> None:
    subject, _, entry = name.partition(".")
    if subject == "terms":
        # both take all of them, in this order
        assert entry in ALL["report"]["term_order"]["value"]
        return
    assert f'"{name}"' in PYTHON or (f'f"{subject}.{{' in PYTHON and f'"{entry}"' in PYTHON)
    if subject not in IN_PYTHON:
        assert bool(re.search(rf"\b{entry}\b", PAGE)) == (name not in PYTHON_ALONE)


def test_what_is_asked_for_is_there() -> None:
    found = {name for name, _ in calls()}
    assert len(found) > 60
    assert found <= set(NAMES)


def test_sentences_get_what_they_have_places_for() -> None:
    filled = 0
    for name, call in calls():
        given = {keyword.arg for keyword in call.keywords}
        if getattr(call.func, "id", "") == "say" and None not in given:
            assert given == {
                place for _, place, _, _ in Formatter().parse(decisions.text(name)) if place
            }
            filled += 1
    assert filled > 30


def test_numbers_and_patterns_have_reasons() -> None:
    def reasoned(entry: Any) -> bool:
        return isinstance(entry, dict) and set(entry) == {"value", "why"} and len(entry["why"]) > 10

    bare = [
        name
        for subject, entries in ALL.items()
        for name, entry in entries.items()
        if isinstance(entry, int | float) or (isinstance(entry, dict) and "value" in entry)
        if not reasoned(entry)
    ]
    assert not bare


def test_a_sentence_is_filled() -> None:
    said = decisions.say("genes.by_case", genes=1234, source="x.h5ad, X")
    assert said.startswith("1,234 genes of x.h5ad, X match")
    with pytest.raises(KeyError):
        decisions.say("genes.by_case", genes=1)


def test_the_table_of_arrays_names_the_threshold() -> None:
    spec = next(spec for spec in ARRAYS if spec.name == "neighbor_centroids")
    assert f"from {EXACT_BELOW:,} reference cells on" in spec.meaning
