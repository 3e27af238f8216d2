from __future__ import annotations

import numpy as np

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
