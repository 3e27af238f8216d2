from __future__ import annotations

import numpy as np
import pytest

from cellport.runtime.errors import InputError
from cellport.runtime.genes.gene_table import load_gene_table
from cellport.train.reference.gene_names import name_genes
from cellport.train.reference.shared_genes import share_genes

GENES = ["CD4", "CD8A", "LYZ", "NKX2-1", "ACTB", "B2M"]


def test_antibodies_are_no_genes_of_a_reference():
    columns = {
        "index": np.array(["CD4", "CD8A", "CD4-1", "CD8A-1", *GENES[2:]], object),
        "feature_types": np.array(["Antibody Capture"] * 2 + ["Gene Expression"] * 6, object),
    }
    shared = share_genes([("cite.h5ad", columns)])
    assert list(shared.gene_columns["index"]) == GENES
    assert shared.columns[0].tolist() == [-1, -1, 0, 1, 2, 3, 4, 5]
    assert shared.notes == ("Features that are not genes were left out: 2 Antibody Capture.",)
    both = share_genes([("cite.h5ad", columns), ("rna", {"index": np.array(GENES[::-1], object)})])
    assert list(both.gene_columns["index"]) == GENES
    assert [column.tolist() for column in both.columns] == [
        [-1, -1, 0, 1, 2, 3, 4, 5],
        [5, 4, 3, 2, 1, 0],
    ]


def test_genes_of_one_source_stay_as_they_are():
    columns = {"index": np.array(GENES, object)}
    shared = share_genes([("rna", columns)])
    assert list(shared.gene_columns["index"]) == GENES
    assert shared.columns[0].tolist() == list(range(6))
    assert shared.notes == ()


def test_sources_that_share_too_few_genes_together():
    table = sorted(name for name in load_gene_table("human").id_of if name.isalnum())[:400:4]
    halves = [table, table[:60], table[45:]]  # each fits the first, and all share 15 of 100
    sources = [(f"{at}.h5ad", {"index": np.array(half, object)}) for at, half in enumerate(halves)]
    assert len(share_genes(sources[:2]).gene_columns["index"]) == 60
    with pytest.raises(InputError, match=r"Only 15 of the 100 genes of 0\.h5ad are in all 3 sourc"):
        share_genes(sources)


def _numbered(names: list[str], column: str) -> dict[str, np.ndarray]:
    numbers = np.array([str(at) for at in range(len(names))], object)
    return {"index": numbers, column: np.array(names, object)}


@pytest.mark.parametrize("column", ["feature_name", "feature_id", "gene_symbols"])
def test_a_numbered_index_names_no_gene_where_a_column_does(column: str) -> None:
    known = load_gene_table("human").id_of
    symbols = sorted(name for name in known if name.isalnum())[:100]
    names = [known[name] for name in symbols] if column == "feature_id" else symbols
    shared = share_genes([("a.h5ad", _numbered(names, column))])
    made = name_genes(shared.gene_columns)
    assert made.ensembl == tuple(known[name] for name in symbols)
    assert column == "feature_id" or made.symbols == tuple(symbols)
    assert not any(symbol == str(at) for at, symbol in enumerate(made.symbols))


@pytest.mark.parametrize("of", ["index alone", "words that are no names", "the second of two"])
def test_genes_that_are_only_numbered_are_refused(of: str) -> None:
    numbered = _numbered(["chr1"] * 100, "chromosome")
    if of == "index alone":
        del numbered["chromosome"]
    table = sorted(name for name in load_gene_table("human").id_of if name.isalnum())[:100]
    named = [("a.h5ad", {"index": np.array(table, object)})] if of == "the second of two" else []
    with pytest.raises(InputError, match=r"genes of b\.h5ad have no names, but numbers from 0 on"):
        share_genes([*named, ("b.h5ad", numbered)])


def test_ids_of_genes_that_are_numbers_are_names() -> None:
    ids = {"index": np.array(["7157", "1956", "672"], object)}
    assert name_genes(share_genes([("a.h5ad", ids)]).gene_columns).symbols == (
        "7157",
        "1956",
        "672",
    )
