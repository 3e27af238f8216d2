from __future__ import annotations

import numpy as np
import pytest

from cellport.runtime.genes.organism import genome_organism, infer_organism, named_by_ids

SYMBOLS = ["ACTB", "B2M", "C1orf2", "CD3D", "EPCAM", "GNLY", "HLA-A", "LYZ", "CD19", "PTPRC", "7SK"]
IDS = [f"ENSG{i:011d}" for i in range(11)]
MOUSE = ["Actb", "B2m", "Cd3d", "Mfap4", "Gzma", "H2-Aa", "Lyz1", "Ms4a1", "Cd19", "Kdr", "Ptprc"]


@pytest.mark.parametrize(
    ("expected", "query"),
    [
        ("human", SYMBOLS),
        ("human", IDS),
        ("human", [f"{one}.3" for one in IDS]),
        ("human", ["hg38_ACTB"]),
        ("mouse", MOUSE),
        ("mouse", ["mt-Nd1", "mt-Co1", *MOUSE]),
        ("mouse", ["ENSMUSG00000000001"]),
        ("mouse", ["mm10___Actb"]),
        ("rat", ["ENSRNOG00000000001"]),
        ("another organism", ["ENSXETG00000000001"]),
        (None, [f"gene_{i}" for i in range(100)]),
        (None, [f"Gene{i}" for i in range(100)]),
        (None, [symbol.lower() for symbol in SYMBOLS]),
        (None, [*SYMBOLS, *MOUSE]),
        (None, ["ENSG00000075624", "ENSMUSG00000000001"]),
        (None, ["ACTB"]),
        ("human", [*IDS, *[""] * 50]),
        (None, ["", ""]),
        (None, []),
    ],
)
def test_the_names_say_which(expected, query):
    assert infer_organism(np.array(query, dtype=object)) == expected


def test_real_genes(data_dir):
    import h5py

    for file, expected in {
        "human_lung_hlca": "human",
        "pbmc3k_10x": "human",
        "mouse_pancreas_endocrinogenesis": "mouse",
        "paul15_myeloid_progenitors": "mouse",
        "simulated_tree": None,
        "anon_mouse_bladder_mca": None,
    }.items():
        with h5py.File(data_dir / f"{file}.h5ad") as opened:
            var = opened["var"]
            found = var[var.attrs["_index"]].asstr()[:]
        assert infer_organism(found) == expected, file


@pytest.mark.parametrize("behind", ["__chr1", "_hg38", "|x", " (gene)", "_human"])
def test_what_stands_behind_a_symbol_is_no_letter_of_it(behind):
    symbols = [f"GENE{letter}{other}" for letter in "ABCD" for other in "KLMN"]
    assert infer_organism([f"{one}{behind}" for one in symbols]) == "human"


@pytest.mark.parametrize(
    ("human", "others", "expected"), [(12, 3, "human"), (13, 3, "human"), (10, 3, None)]
)
@pytest.mark.parametrize("how", [str.lower, str.capitalize])
def test_four_fifths_of_the_words_say_so(human, others, expected, how):
    words = [f"{a}{b}AA" for a in "ABCD" for b in "KLMN"]
    odd = [how(f"x{letter}yy") for letter in "efg"[:others]]
    assert infer_organism([*words[:human], *odd]) == expected


@pytest.mark.parametrize(("ids", "expected"), [(9, None), (10, "human"), (11, "human")])
def test_names_say_nothing_where_ids_are_half(ids, expected):
    # of twenty; mouse symbols beside human ids: the ids speak for all where they are half
    symbols = [f"{a}{b}aa" for a in "ABCD" for b in "klmn"][: 20 - ids]
    found = infer_organism([*(f"ENSG{i:011d}" for i in range(ids)), *symbols])
    assert found == ("mouse" if expected is None else expected)


def test_ids_among_names_say_whose_they_are():
    mouse = [f"ENSMUSG{i:011d}" for i in range(40)]
    assert named_by_ids([*SYMBOLS, *mouse[:9]]) is None
    assert named_by_ids([*SYMBOLS, *mouse[:10]]) == ("mouse", mouse[:10])
    # four fifths of one organism at least; and no few among very many
    assert named_by_ids([*IDS[:10], *mouse]) == ("mouse", [*IDS[:10], *mouse])
    assert named_by_ids([*IDS, *mouse]) is None
    assert named_by_ids([*mouse[:10], *(f"GENE{i}" for i in range(500))]) is None


@pytest.mark.parametrize(
    ("word", "expected"),
    [("GRCh38", "human"), ("hg19", "human"), ("mm10", "mouse"), ("GRCm39", "mouse"), ("mm", None)],
)
def test_a_genome_says_its_organism(word, expected):
    assert genome_organism(word) == expected
