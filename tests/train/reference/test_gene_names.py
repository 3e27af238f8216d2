from __future__ import annotations

import numpy as np
import pytest

from cellport.runtime.genes.match import match_genes
from cellport.runtime.genes.panel import Panel
from cellport.train.reference.gene_names import name_genes

HUMAN = {
    "ACTB": "ENSG00000075624", "B2M": "ENSG00000166710", "CD3D": "ENSG00000167286",
    "EPCAM": "ENSG00000119888", "GNLY": "ENSG00000115523", "HLA-A": "ENSG00000206503",
    "LYZ": "ENSG00000090382", "MS4A1": "ENSG00000156738", "NKX2-1": "ENSG00000136352",
    "PECAM1": "ENSG00000261371", "MATR3": "ENSG00000015479",
}  # fmt: skip
SYMBOLS, IDS = tuple(HUMAN), tuple(HUMAN.values())


def columns(**values):
    return {name: np.array(list(one), dtype=object) for name, one in values.items()}


def test_symbols_get_their_ids():
    names = name_genes(columns(index=SYMBOLS))
    assert names.organism == "human"
    assert names.symbols == SYMBOLS
    assert names.ensembl == IDS


@pytest.mark.parametrize("version", ["", ".12"])
def test_ids_get_their_symbols_and_lose_their_version(version):
    names = name_genes(columns(index=[one + version for one in IDS]))
    assert (names.organism, names.symbols, names.ensembl) == ("human", SYMBOLS, IDS)


def test_what_the_reference_says_counts_more_than_the_table():
    own = ["ENSG00000999999", *IDS[1:]]
    names = name_genes(columns(index=SYMBOLS, gene_ids=own))
    assert names.ensembl == tuple(own)
    names = name_genes(columns(index=IDS, feature_name=["OLD1", *SYMBOLS[1:]]))
    assert names.symbols == ("OLD1", *SYMBOLS[1:])


def test_only_ids_of_the_organism_are_taken():
    orthologs = [f"ENSMUSG{i:011d}" for i in range(len(SYMBOLS))]
    assert name_genes(columns(index=SYMBOLS, mouse_ortholog=orthologs)).ensembl == IDS


def test_unknown_names_stay_and_get_nothing():
    names = name_genes(columns(index=[*SYMBOLS, "my_transgene"]))
    assert names.symbols[-1] == "my_transgene"
    assert names.ensembl[-1] == ""
    names = name_genes(columns(index=[*IDS, "ENSG00000999999"]))
    assert names.symbols[-1] == ""


def test_the_table_gives_no_two_genes_one_name():
    # The second gene called MATR3 would make the symbol ambiguous for the first.
    names = name_genes(columns(index=[*IDS, "ENSG00000280987"]))
    assert names.symbols[-2:] == ("MATR3", "")
    names = name_genes(columns(index=[*SYMBOLS, "ENSG00000015479"]))
    assert names.ensembl[-2:] == ("", "ENSG00000015479")


def test_genome_prefixes_are_taken_off():
    names = name_genes(columns(index=[f"GRCh38_{symbol}" for symbol in SYMBOLS]))
    assert (names.organism, names.symbols, names.ensembl) == ("human", SYMBOLS, IDS)


def test_only_the_wanted_genes_in_their_order():
    names = name_genes(columns(index=SYMBOLS), np.array([2, 0]))
    assert names.symbols == ("CD3D", "ACTB")
    assert names.ensembl == (HUMAN["CD3D"], HUMAN["ACTB"])


def test_genes_of_no_known_organism_keep_their_names():
    names = name_genes(columns(index=[f"gene_{i}" for i in range(5)]))
    assert names.organism == ""
    assert names.symbols == tuple(f"gene_{i}" for i in range(5))
    assert names.ensembl == ("",) * 5
    assert name_genes(columns(index=["ACTB"]), organism="human").ensembl == (HUMAN["ACTB"],)


def test_a_reference_by_symbol_maps_a_query_by_id_and_the_reverse(data_dir):
    import h5py

    with h5py.File(data_dir / "human_lung_hlca.h5ad") as file:
        var = file["var"]
        symbols = var[var.attrs["_index"]].asstr()[:]
    both = name_genes({"index": symbols})
    known = np.array([bool(one) for one in both.ensembl])
    assert known.mean() > 0.97
    ids = np.array(both.ensembl, dtype=object)[known]
    by_symbol = match_genes({"index": ids}, Panel(both.symbols, both.ensembl), organism="human")
    np.testing.assert_array_equal(by_symbol.measured, known)
    back = name_genes({"index": ids})
    np.testing.assert_array_equal(np.array(back.symbols, dtype=object), symbols[known])
