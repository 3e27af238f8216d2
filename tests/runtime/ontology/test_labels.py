"""Terms of labels: what is said goes before names, and nothing is guessed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cellport.runtime.atlas.file import open_atlas_file
from cellport.runtime.errors import InputError
from cellport.runtime.ontology.labels import label_terms, read_crosswalk
from cellport.runtime.ontology.terms import shipped_ontology

PRETRAINED = Path(__file__).resolve().parents[3] / "models" / "pretrained"


def terms(labels: tuple[str, ...], parents: Any = None, stated: Any = None, own: Any = None) -> Any:
    return label_terms(labels, parents or {}, shipped_ontology(), stated or {}, own or {}, "x.csv")


@pytest.mark.parametrize("atlas", ["lung", "blood", "human"])
def test_every_label_of_the_shipped_atlases_has_a_term(atlas: str) -> None:
    manifest = open_atlas_file(PRETRAINED / f"{atlas}.cellport").manifest
    found = terms(manifest.labels, manifest.parents, stated=manifest.label_terms)
    assert found.terms.keys() == {*manifest.labels, *manifest.parents.values()}
    assert found.notes == ()
    assert {
        label: term for label, term in manifest.label_terms.items() if found.terms[label].id != term
    } == {}
    known = {label: found.terms[label].name for label in ("B", "NK")}
    assert known == {"B": "B cell", "NK": "natural killer cell"}


def test_names_in_any_spelling() -> None:
    found = terms(("T cells", "natural_killer_cell", "Monocytes", "type II pneumocyte"))
    assert [term.name for term in found.terms.values()] == [
        "T cell",
        "natural killer cell",
        "monocyte",
        "pulmonary alveolar type 2 cell",
    ]


def test_clusters_called_by_letters_are_no_types() -> None:
    found = terms(("A", "B", "C", "alpha"))
    assert not found.terms
    assert "'A', 'B', 'C', 'alpha' (4 in all)" in found.notes[0]


def test_what_is_not_known_is_listed_and_not_guessed() -> None:
    found = terms(("T cell", "B cell", "Something odd"))
    assert set(found.terms) == {"T cell", "B cell"}
    assert "'Something odd' (1 in all)" in found.notes[0]
    many = terms(("T cell", *(f"odd {n}" for n in range(20))))
    assert "and 12 more (20 in all)" in many.notes[0]


def test_a_label_of_several_names_is_what_all_are() -> None:
    found = terms(("basophil/mast cell", "T cell", "T cell/odd"))
    assert found.terms["basophil/mast cell"].name == "myeloid leukocyte"
    assert "T cell/odd" not in found.terms


def test_groups_are_what_their_labels_are() -> None:
    parents = {"T cell": "lymphocyte", "B cell": "lymphocyte", "monocyte": "mixed",
               "lymphocyte": "mixed"}  # fmt: skip
    found = terms(("T cell", "B cell", "monocyte"), parents)
    assert found.terms["lymphocyte"].id == "CL:0000542"
    assert found.terms["mixed"].name in ("leukocyte", "mononuclear leukocyte", "mononuclear cell")
    odd = terms(("T cell", "B cell", "odd"), {"T cell": "group", "odd": "group"})
    assert "group" not in odd.terms


def test_a_name_that_its_labels_are_no_kinds_of_does_not_count() -> None:
    parents = {"T cell": "neuron", "B cell": "neuron"}
    assert terms(("T cell", "B cell"), parents).terms["neuron"].name == "lymphocyte"


def test_what_is_said_goes_before_names() -> None:
    labels = ("T cell", "x")
    stated = terms(labels, stated={"T cell": "CL:0000624", "x": "CL:0000236"}).terms
    assert [stated[label].id for label in labels] == ["CL:0000624", "CL:0000236"]
    own = terms(labels, stated={"x": "CL:0000236"}, own={"x": "CL:0000084"}).terms
    assert own["x"].id == "CL:0000084"


def test_obsolete_terms_give_way_to_their_successors() -> None:
    ontology = shipped_ontology()
    old = next(o for o, new in ontology.successors.items() if ontology.current(o) and new)
    found = terms(("x",), own={"x": old})
    assert found.terms["x"].id == ontology.current(old)
    assert found.notes[0].startswith(f"Obsolete terms were replaced by their successors: {old} by")
    gone = next(o for o in ontology.successors if not ontology.current(o))
    with pytest.raises(InputError, match="is obsolete, and the ontology names no successor"):
        terms(("x",), own={"x": gone})


def test_terms_and_labels_that_are_not_there_are_refused() -> None:
    with pytest.raises(InputError, match="has no term CL:9"):
        terms(("x",), own={"x": "CL:9"})
    with pytest.raises(InputError, match=r"x\.csv has no label of this atlas: its first is 'z'"):
        terms(("x",), own={"z": "CL:0000084"})


def test_crosswalks(tmp_path: Path) -> None:
    table = tmp_path / "own.csv"
    table.write_text('label,term\n"a, b",CL:0000084\nc, CL:0000236 \n\n', encoding="utf-8-sig")
    assert read_crosswalk(table) == {"a, b": "CL:0000084", "c": "CL:0000236"}
    table.write_text("label\tterm\tmore\nx\tCL:1\tz\n")
    assert read_crosswalk(table) == {"x": "CL:1"}
    for text in ("", "label,term\n", "label\nx\n"):
        table.write_text(text)
        with pytest.raises(InputError, match="is no table of labels and their terms"):
            read_crosswalk(table)
    with pytest.raises(InputError, match="cannot be read"):
        read_crosswalk(tmp_path / "none.csv")
