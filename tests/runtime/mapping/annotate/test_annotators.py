"""What holds for all annotators."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.mapping.annotate import ANNOTATORS, annotators, facts_of, schema_of
from cellport.runtime.mapping.encode import EncodedCells

ALL = {
    "neighbors": 3,
    "probabilities": True,
    "cell_ontology": True,
    "merge_labels": True,
    "groups": "auto",
    "corrected_expression": ("GENE0", "GENE7"),
    "queries": (("x", "y"), 1),
}
DTYPES = {"category": np.int32, "float": np.float32, "text": np.object_, "bool": np.bool_}


def rows(cells: EncodedCells, start: int, stop: int) -> EncodedCells:
    answers = {name: values[start:stop] for name, values in cells.answers.items()}
    return replace(cells, start=start, answers=answers, library=cells.library[start:stop])


@given(
    n=st.integers(0, 40),
    cuts=st.lists(st.integers(0, 40), max_size=4),
    seed=st.integers(0, 99),
    share=st.floats(0, 1),
)
@settings(max_examples=30)
def test_blocks_may_be_cut_anywhere_and_fit_the_schema(
    n: int, cuts: list[int], seed: int, share: float, fork_atlas: AtlasFile, made: Any
) -> None:
    cells = made.any_cells(fork_atlas.manifest, n, seed)
    ends = sorted([0, *(min(cut, n) for cut in cuts), n])
    found = annotators(made.setting(fork_atlas, share, **ALL))
    # several labels are of another kind of head, groups of cells unlike the atlas of one query
    assert len(found) == len(ANNOTATORS) - 2
    for one in found:
        if one.survey is not None:
            one.survey.add(cells)
        whole = one.annotate(cells)
        parts = [one.annotate(rows(cells, *pair)) for pair in pairwise(ends)]
        for name, values in whole.items():
            assert_array_equal(np.concatenate([part[name] for part in parts]), values)
        columns = {column.name: column for column in one.schema.columns}
        assert list(whole) == [*columns, *one.schema.obsm]
        for name, column in columns.items():
            assert whole[name].shape == (n,)
            assert whole[name].dtype == DTYPES[column.kind]
            if column.kind == "category":
                assert set(whole[name].tolist()) <= {-1, *range(len(column.categories))}
        for name, width in one.schema.obsm.items():
            assert whole[name].shape == (n, width)
            assert whole[name].dtype == np.float32


def test_columns_in_their_order(fork_atlas: AtlasFile, made: Any) -> None:
    found = annotators(made.setting(fork_atlas, **ALL))
    schema = schema_of(found)
    assert [column.name.removeprefix("cellport_") for column in schema.columns] == [
        "label", "prob", "call", "label_set", "level_1", "level_1_probability", "level_2",
        "level_2_probability", "cell_type_ontology_term_id", "cell_type_ontology_name",
        "merged", "merged_probability", "group", "group_label", "group_share",
        "novelty_p", "novel", "qc", "cluster", "edge",
        "edge_fraction", "pseudotime", "pseudotime_sd", "neighbors", "neighbor_labels", "query",
    ]  # fmt: skip
    assert schema.obsm == {
        "X_cellport": 2, "X_cellport_umap": 2, "cellport_probabilities": 2, "X_cellport_fate": 2,
        "cellport_neighbor_distance": 3, "X_cellport_corrected": 2,
    }  # fmt: skip
    assert set(facts_of(found)) == {
        "trajectory", "corrected", "groups", "labels", "cell_ontology", "merged_labels",
    }  # fmt: skip


def test_a_bare_atlas_gives_little(small_atlas: Any, made: Any, forgery: Any) -> None:
    head = replace(forgery.manifest().head, kind="none", set_prob=())
    answers = ("latent", "novelty_score", "umap")
    atlas = small_atlas(labels=(), parents={}, head=head, answers=answers)
    found = annotators(made.setting(atlas))
    names = [column.name for column in schema_of(found).columns]
    assert names == ["cellport_novelty_p", "cellport_novel", "cellport_qc"]
    assert list(schema_of(found).obsm) == ["X_cellport", "X_cellport_umap"]


def test_what_is_costly_is_made_once(fork_atlas: AtlasFile, made: Any) -> None:
    setting = made.setting(fork_atlas, **ALL)
    annotators(setting)
    kept = dict(setting.made)
    assert len(kept) == 3
    annotators(setting)
    assert setting.made == kept
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            setting.once("fails", lambda: 1 / 0)
