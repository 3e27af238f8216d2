from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from kinds_of_files import GENOMES

from cellport.runtime.errors import InputError
from cellport.train.reference.chunks import chunks
from cellport.train.reference.reference import Reference, read_reference


@pytest.fixture
def adata(tiny_cells: Any) -> Any:
    return tiny_cells.adata()


def _counts(reference: Reference) -> sp.csr_matrix:
    return sp.vstack(list(chunks(reference.counts)), format="csr")


def test_reads_counts_names_labels_and_batches(adata: Any, tiny_cells: Any) -> None:
    reference = read_reference(adata, "cell_type", "donor")
    assert (_counts(reference) != tiny_cells.counts).nnz == 0
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
    assert (_counts(reference) != 2 * tiny_cells.counts).nnz == 0


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


# several sources


def test_sources_with_other_genes_in_another_order_become_one(adata: Any, tiny_cells: Any) -> None:
    """The second file knows Ensembl ids alone, in reverse, and lacks ten genes."""
    one, other = adata[:100].copy(), adata[100:, ::-1].copy()
    other = other[:, 10:].copy()
    other.var_names = other.var.pop("gene_id").tolist()
    reference = read_reference([one, other], "cell_type", "donor")
    assert reference.counts.shape == (240, 140)
    shared = tiny_cells.counts[:, :140]
    assert (_counts(reference) != shared).nnz == 0
    assert list(reference.gene_columns["index"]) == list(tiny_cells.symbols[:140])
    assert [reference.labels[code] for code in reference.label] == list(tiny_cells.label)
    assert [reference.batches[code] for code in reference.batch] == list(tiny_cells.batch)
    assert list(reference.cell_names) == list(adata.obs_names)
    assert "140 genes are in all 2 sources" in reference.notes[-1]


def test_without_a_batch_column_each_source_is_one(adata: Any, tmp_path: Path) -> None:
    paths = []
    for name, rows in (("north.h5ad", slice(0, 90)), ("south.h5ad", slice(90, 240))):
        adata[rows].copy().write_h5ad(tmp_path / name)
        paths.append(tmp_path / name)
    reference = read_reference(paths)
    assert reference.batches == ("north.h5ad", "south.h5ad")
    assert np.bincount(reference.batch).tolist() == [90, 150]
    assert reference.description.startswith("2 sources: ")


def test_cells_of_the_same_name_in_two_sources_are_told_apart(adata: Any) -> None:
    reference = read_reference([adata[:2].copy(), adata[1:3].copy()])
    assert list(reference.cell_names) == ["cell0-0", "cell1-0", "cell1-1", "cell2-1"]
    assert reference.batches == ("cells-0", "cells-1")


def test_sources_of_two_organisms_are_refused(adata: Any) -> None:
    other = adata.copy()
    other.var_names = [name.capitalize() for name in other.var_names]
    del other.var["gene_id"]
    with pytest.raises(InputError, match=r"do not fit those of .*mouse and human") as told:
        read_reference([adata, other])
    assert "the atlas is" not in str(told.value)


@pytest.mark.parametrize("share", [1.0, 1e-5])
def test_counts_with_fractions_are_refused_with_what_training_takes(
    adata: Any, share: float
) -> None:
    counts = sp.vstack([adata.X] * 40, format="csr")
    counts.data[np.random.default_rng(0).random(counts.nnz) < share] += 0.37
    with pytest.raises(InputError, match="round them to whole numbers") as told:
        _counts(read_reference((counts, list(adata.var_names))))
    assert "--fractional-counts" not in str(told.value)


def test_sources_with_few_genes_in_common_are_refused(adata: Any) -> None:
    parts = [adata[:, start : start + 70].copy() for start in (0, 40, 80)]
    with pytest.raises(InputError, match=r"leave out the ones with few genes|do not fit"):
        read_reference(parts)


@pytest.mark.parametrize("kind", [name for name, one in GENOMES.items() if isinstance(one[2], int)])
def test_one_of_several_genomes_is_read(tmp_path: Path, kind: str) -> None:
    write, genome, expected = GENOMES[kind]
    reference = read_reference(write(tmp_path), genome=genome)
    named = reference.gene_columns["index"] != ""
    assert 0 < named.sum() <= expected
    assert _counts(reference).shape == reference.counts.shape
    with pytest.raises(InputError, match=r"no genome 'rn6'"):
        read_reference(tmp_path / reference.description.split(",")[0], genome="rn6")
