from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from cellport.runtime.errors import InputError
from cellport.train.reference import read_reference


@pytest.fixture
def adata(tiny_cells: Any) -> Any:
    return tiny_cells.adata()


def test_reads_counts_names_labels_and_batches(adata: Any, tiny_cells: Any) -> None:
    reference = read_reference(adata, "cell_type", "donor")
    assert (reference.counts != tiny_cells.counts).nnz == 0
    assert reference.labels == ("alpha", "beta", "gamma")
    assert reference.batches == ("north", "south")
    assert [reference.labels[code] for code in reference.label] == list(tiny_cells.label)
    assert [reference.batches[code] for code in reference.batch] == list(tiny_cells.batch)
    assert list(reference.cell_names) == list(adata.obs_names)
    assert list(reference.gene_columns["index"]) == list(adata.var_names)
    assert list(reference.gene_columns["gene_id"]) == list(tiny_cells.ensembl)


def test_without_columns_all_cells_are_one_batch_without_labels(adata: Any) -> None:
    reference = read_reference(adata)
    assert reference.labels == ()
    assert reference.batches == ("all",)
    assert (reference.label == -1).all()
    assert (reference.batch == 0).all()


@pytest.mark.parametrize("word", ["Unknown", "unassigned", " NA ", "", np.nan, None])
def test_words_for_no_label_are_no_label(adata: Any, word: Any) -> None:
    values = adata.obs["cell_type"].astype(object)
    values.iloc[::4] = word
    adata.obs["cell_type"] = values
    reference = read_reference(adata, "cell_type")
    assert reference.labels == ("alpha", "beta", "gamma")
    np.testing.assert_array_equal(reference.label == -1, np.arange(240) % 4 == 0)


def test_a_batch_may_be_called_unknown(adata: Any) -> None:
    adata.obs["donor"] = adata.obs["donor"].replace({"north": "unknown"})
    assert read_reference(adata, batch="donor").batches == ("south", "unknown")


def test_counts_of_a_gene_stored_twice_add_up(adata: Any, tiny_cells: Any) -> None:
    halves = sp.csr_matrix(
        (
            np.repeat(tiny_cells.counts.data, 2),
            np.repeat(tiny_cells.counts.indices, 2),
            2 * tiny_cells.counts.indptr,
        ),
        shape=tiny_cells.counts.shape,
    )
    reference = read_reference((halves, list(adata.var_names)))
    assert (reference.counts != 2 * tiny_cells.counts).nnz == 0


def test_taking_cells_keeps_the_categories(adata: Any) -> None:
    reference = read_reference(adata, "cell_type", "donor")
    rows = np.flatnonzero(reference.label == 1)[:5]
    part = reference.take(rows)
    assert part.labels == reference.labels
    assert part.counts.shape == (5, 150)
    assert (part.label == 1).all()
    assert list(part.cell_names) == [f"cell{row}" for row in rows]


@pytest.mark.parametrize("column", ["labels", "batch"])
def test_missing_column_is_named_with_those_near(adata: Any, column: str) -> None:
    with pytest.raises(InputError, match="cell_typ"):
        read_reference(adata, **{column: "cell_typ"})


@pytest.mark.parametrize(
    ("value", "said"), [("alpha", "only one value, 'alpha'"), ("unknown", "no label at all")]
)
def test_fewer_than_two_labels(adata: Any, value: str, said: str) -> None:
    adata.obs["cell_type"] = value
    with pytest.raises(InputError, match=said):
        read_reference(adata, "cell_type")


def test_log_normalised_counts_are_refused(adata: Any) -> None:
    adata.X = adata.X.log1p()
    with pytest.raises(InputError, match="raw counts"):
        read_reference(adata)
