"""Terms, their successors and ancestors, of the ontology that is shipped and of OBO files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellport.runtime.errors import InputError
from cellport.runtime.ontology.labels import common_labels
from cellport.runtime.ontology.terms import Ontology, plain, read_obo, shipped_ontology


def as_obo(ontology: Ontology) -> str:
    """The terms of an ontology as an OBO file; synonyms are not kept."""
    stanzas = ["format-version: 1.2\n"]
    for term, name in ontology.names.items():
        lines = ["[Term]", f"id: {term}", f"name: {name}"]
        lines += [f"is_a: {above} ! {ontology.names[above]}" for above in ontology.parents[term]]
        if term in ontology.successors:
            lines.append("is_obsolete: true")
            after = ontology.successors[term]
            lines += [f"replaced_by: {after}"] if after else []
        stanzas.append("\n".join(lines) + "\n")
    return "\n".join(stanzas)


def test_round_trip_with_an_obo_file(tmp_path: Path) -> None:
    ontology = shipped_ontology()
    (tmp_path / "cl.obo").write_text(as_obo(ontology), encoding="utf-8")
    again = read_obo(tmp_path / "cl.obo")
    assert again.names == ontology.names
    assert again.parents == ontology.parents
    assert again.successors == ontology.successors
    named = {plain(name) for name in ontology.names.values()}
    assert {name: term for name, term in ontology.by_name.items() if name in named} == again.by_name


def test_what_an_obo_file_says(tmp_path: Path) -> None:
    (tmp_path / "small.obo").write_text(
        "ontology: x\n\n[Term]\nid: CL:1\nname: cell\n\n"
        "[Term]\nid: CL:2\nname: T cell\nis_a: CL:1 ! cell\n"
        'synonym: "T-lymphocyte" EXACT []\nsynonym: "tee" BROAD []\n\n[Term]\nid: CL:3\n'
        "name: obsolete T\nis_obsolete: true\nreplaced_by: CL:2\n\n[Term]\nid: CL:4\n"
        "name: gone\nis_obsolete: true\n\n[Typedef]\nid: part_of\nname: part of\n"
    )
    found = read_obo(tmp_path / "small.obo")
    assert found.names["CL:2"] == "T cell"
    assert found.by_name == {"cell": "CL:1", "t cell": "CL:2", "t-lymphocyte": "CL:2"}
    assert [found.current(f"CL:{n}") for n in range(1, 6)] == ["CL:1", "CL:2", "CL:2", "", ""]
    assert found.ancestors("CL:2") == {"CL:1", "CL:2"}
    with pytest.raises(InputError, match="cannot be read"):
        read_obo(tmp_path / "nothing.obo")


def test_successors_in_a_circle_end() -> None:
    ontology = Ontology({"a": "a", "b": "b"}, {}, {"a": "b", "b": "a"})
    assert ontology.current("a") == ""


# what biologists know: pairs of terms, and what both are
@pytest.mark.parametrize(
    ("terms", "ancestor"),
    [
        (("CL:0000624", "CL:0000625"), "mature alpha-beta T cell"),
        (("CL:0000084", "CL:0000236"), "lymphocyte"),
        (("CL:0000084",), "T cell"),
        (("CL:0000084", "CL:0000624"), "T cell"),
        (("CL:0000576", "CL:0000235"), "mononuclear phagocyte"),
    ],
)
def test_common_ancestors(terms: tuple[str, ...], ancestor: str) -> None:
    ontology = shipped_ontology()
    assert ontology.names[ontology.common_ancestor(terms)] == ancestor


@given(st.lists(st.sampled_from(sorted(shipped_ontology().names)), min_size=1, max_size=4))
def test_a_common_ancestor_is_above_all_and_nothing_narrower_is(terms: list[str]) -> None:
    ontology = shipped_ontology()
    terms = [term for term in terms if ontology.current(term) == term]
    found = ontology.common_ancestor(terms)
    above = [ontology.ancestors(term) for term in terms]
    assert not found or all(found in one for one in above)
    if found:
        shared = set.intersection(*above) - {found, "CL:0000255", "CL:0000257", "CL:0000548"}
        assert all(found not in ontology.ancestors(other) for other in shared)
    assert found not in ("CL:0000255", "CL:0000257", "CL:0000548") or found in terms


def test_every_common_name_is_a_term_of_today() -> None:
    ontology = shipped_ontology()
    for name, term in common_labels().items():
        assert ontology.current(term) == term, name
        assert ontology.by_name.get(name, term) == term, name


def test_every_term_is_a_kind_of_terms_there_are() -> None:
    ontology = shipped_ontology()
    assert all(one in ontology.names for above in ontology.parents.values() for one in above)
    # a few terms are parts of cells, and kinds of nothing
    placed = [term for term, above in ontology.parents.items() if above]
    assert len(placed) > 3000
    assert all("CL:0000000" in ontology.ancestors(term) for term in placed)
