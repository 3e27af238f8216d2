from __future__ import annotations

import numpy as np
import pytest

from cellport.runtime.errors import InputError
from cellport.runtime.genes.gene_table import load_gene_table
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
