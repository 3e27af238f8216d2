from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cellport.runtime.errors import InputError
from cellport.runtime.mapping.annotate.beside_label.terms import prepare, without_tables
from cellport.runtime.mapping.options import MapOptions

PROB = [[0.9, 0.0, 0.1], [0.4, 0.4, 0.2], [0.0, 0.0, 1.0], [0.4, 0.2, 0.4], [0.9, 0.0, 0.1]]


@pytest.fixture
def atlas(small_atlas: Any, forgery: Any) -> Any:
    head = replace(forgery.manifest().head, set_prob=(0.5,) * 3)
    parents = {"T cell": "both", "B cell": "both"}
    return small_atlas(labels=("T cell", "B cell", "odd"), parents=parents, head=head)


def told(found: Any, cells: Any) -> dict[str, list[str | None]]:
    values = found.annotate(cells)
    return {
        column.name: [
            column.categories[code] if code >= 0 else None for code in values[column.name]
        ]
        for column in found.schema.columns
    }


def test_terms_of_calls(atlas: Any, made: Any) -> None:
    cells = made.cells([9, 9, 9, 9, 0], label_prob=PROB)
    found = prepare(made.setting(atlas, cell_ontology=True))
    assert told(found, cells) == {
        "cellport_cell_type_ontology_term_id": [
            "CL:0000084", "CL:0000542", None, "CL:0000542", "unknown",
        ],
        "cellport_cell_type_ontology_name": [
            "T cell", "lymphocyte", None, "lymphocyte", "unknown",
        ],
    }  # fmt: skip
    assert "'odd' (1 in all)" in found.notes[0]
    said = found.facts["cell_ontology"]
    assert dict(zip(said["labels"], said["term_ids"], strict=True))["both"] == "CL:0000542"


def test_as_cellxgene_has_them(atlas: Any, made: Any) -> None:
    cells = made.cells([9, 9, 9, 9, 0], label_prob=PROB)
    found = told(prepare(made.setting(atlas, cellxgene=True)), cells)
    assert found["cell_type_ontology_term_id"] == [
        "CL:0000084", "CL:0000542", "unknown", "CL:0000542", "unknown",
    ]  # fmt: skip


def test_a_crosswalk_and_an_ontology_of_ones_own(atlas: Any, made: Any, tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("label,term\nodd,X:2\nT cell,X:3\nB cell,X:4\n")
    (tmp_path / "own.obo").write_text(
        "format-version: 1.2\n\n[Term]\nid: X:1\nname: top\n\n[Term]\nid: X:2\nname: two\n"
        "is_a: X:1\n\n[Term]\nid: X:3\nname: three\nis_a: X:1\n\n[Term]\nid: X:4\nname: four\n"
        "is_a: X:1\n"
    )
    how = {"crosswalk": str(tmp_path / "own.csv"), "ontology": str(tmp_path / "own.obo")}
    found = prepare(made.setting(atlas, **how))
    assert found.notes == ()
    cells = made.cells([9, 9, 9, 9, 0], label_prob=PROB)
    names = told(found, cells)["cellport_cell_type_ontology_name"]
    assert names == ["three", "top", "two", "top", "unknown"]
    table = without_tables(MapOptions(crosswalk=how["crosswalk"])).crosswalk
    assert table == {"odd": "X:2", "T cell": "X:3", "B cell": "X:4"}
    again = prepare(made.setting(atlas, crosswalk=table, ontology=how["ontology"]))
    assert told(again, cells)["cellport_cell_type_ontology_name"] == names


def test_the_atlas_says_its_terms(atlas: Any, made: Any) -> None:
    manifest = replace(atlas.manifest, label_terms={"odd": "CL:0000540"})
    stated = replace(atlas, manifest=manifest)
    cells = made.cells([9], label_prob=PROB[2:3])
    found = told(prepare(made.setting(stated, cell_ontology=True)), cells)
    assert found["cellport_cell_type_ontology_name"] == ["neuron"]


def test_of_the_nearest_prototype(small_atlas: Any, forgery: Any, made: Any) -> None:
    head = replace(forgery.manifest().head, kind="prototypes", set_prob=())
    labels = ("T cell", "B cell")
    near = small_atlas(labels=labels, parents={}, head=head, answers=("latent", "label_distance"))
    cells = made.cells([9, 9, 0], label_distance=np.array([[2, 1], [1, 2], [1, 2]]))
    found = told(prepare(made.setting(near, cell_ontology=True)), cells)
    assert found["cellport_cell_type_ontology_name"] == ["B cell", "T cell", "unknown"]


def test_not_asked_for_and_refused(atlas: Any, small_atlas: Any, forgery: Any, made: Any) -> None:
    assert prepare(made.setting(atlas)) is None
    head = replace(forgery.manifest().head, kind="none", set_prob=())
    answers = ("latent", "novelty_score", "umap")
    bare = small_atlas(labels=(), parents={}, head=head, answers=answers)
    with pytest.raises(InputError, match="and 'small' has none"):
        prepare(made.setting(bare, cellxgene=True))
