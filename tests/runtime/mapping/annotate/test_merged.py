from __future__ import annotations

from dataclasses import replace
from importlib.resources import as_file, files
from typing import Any

import anndata
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import cellport
from cellport.runtime.columns import JOINED_BY, MERGED, MERGED_PROB, UNKNOWN
from cellport.runtime.mapping.annotate.merged import prepare


@pytest.fixture(scope="module")
def few_genes() -> anndata.AnnData:
    with as_file(files("cellport") / "demo_data" / "lung_sample.h5ad") as path:
        cells = anndata.read_h5ad(path)
    names = cellport.load_atlas("lung").panel.names[::15]
    return cells[:, cells.var_names.isin(names)].copy()


def test_each_cell_is_of_the_most_probable_group(few_genes: Any) -> None:
    atlas = cellport.load_atlas("lung")
    how: Any = {"merge_labels": True, "probabilities": True, "minimum_genes": 0}
    found = atlas.map(few_genes, **how)
    prob = found["cellport_probabilities"]
    together = found.uns["cellport"]["merged_labels"]
    assert together
    assert all(JOINED_BY in name for name in together)
    alone = set(atlas.manifest.labels) - set(JOINED_BY.join(together).split(JOINED_BY))
    names = [*together, *sorted(alone)]
    inside = np.array(
        [[label in name.split(JOINED_BY) for name in names] for label in atlas.manifest.labels]
    )
    of_group = prob @ inside
    some = prob.any(axis=1)
    assert_allclose(found[MERGED_PROB][some], of_group.max(axis=1)[some], rtol=1e-5)
    assert_array_equal(found[MERGED][some], np.array(names)[of_group.argmax(axis=1)][some])
    plain = atlas.map(few_genes, minimum_genes=0)
    assert_array_equal(found["cellport_label"], plain["cellport_label"])


def test_groups_do_not_depend_on_blocks(few_genes: Any) -> None:
    atlas = cellport.load_atlas("lung")
    one, other = (
        atlas.map(few_genes, merge_labels=True, minimum_genes=0, block_cells=block)
        for block in (7, 2048)
    )
    assert_array_equal(one[MERGED], other[MERGED])
    assert_array_equal(one[MERGED_PROB], other[MERGED_PROB])


def test_all_genes_merge_nothing(tiny_atlas_path: Any, tiny_cells: Any) -> None:
    found = cellport.load_atlas(tiny_atlas_path).map(tiny_cells.adata(), merge_labels=True)
    assert found.uns["cellport"]["merged_labels"] == []
    assert_array_equal(found[MERGED], np.asarray(found["cellport_label"]))


def test_a_group_is_no_surer_than_sure_and_an_empty_cell_is_of_none(
    small_atlas: Any, made: Any, forgery: Any
) -> None:
    head = replace(forgery.manifest().head, set_prob=())
    atlas = small_atlas(labels=("a", "b", "c"), parents={}, head=head)
    found = prepare(replace(made.setting(atlas, merge_labels=True), merged=(0, 1, 0)))
    assert found is not None
    prob = [[0.625, 0.0, 0.376], [0.25, 0.5, 0.25], [0.3, 0.6, 0.1], [0.9, 0.1, 0.0]]
    values = found.annotate(made.cells([9, 9, 9, 0], label_prob=prob))
    assert values[MERGED].tolist() == ["a;c", "a;c", "b", UNKNOWN]
    assert values[MERGED_PROB].tolist() == np.float32([1, 0.5, 0.6, 0]).tolist()
    assert prepare(made.setting(atlas)) is None
