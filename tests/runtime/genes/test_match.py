from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellport.runtime.errors import InputError
from cellport.runtime.genes.gene_table import load_gene_table
from cellport.runtime.genes.match import match_genes
from cellport.runtime.genes.panel import Panel
from cellport.runtime.genes.previous import previous_symbols

HUMAN = {
    "ACTB": "ENSG00000075624",
    "B2M": "ENSG00000166710",
    "C1orf112": "ENSG00000000460",
    "CD3D": "ENSG00000167286",
    "EPCAM": "ENSG00000119888",
    "GNLY": "ENSG00000115523",
    "HLA-A": "ENSG00000206503",
    "LYZ": "ENSG00000090382",
    "MS4A1": "ENSG00000156738",
    "NKX2-1": "ENSG00000136352",
    "PECAM1": "ENSG00000261371",
    "7SK": "ENSG00000283293",
}
SYMBOLS, IDS = tuple(HUMAN), tuple(HUMAN.values())
PANEL = Panel(SYMBOLS, IDS)
MOUSE = [
    symbol.capitalize()
    for symbol in ("ACTB", "B2M", "CD3D", "EPCAM", "GZMA", "H2-AA", "LYZ1", "MS4A1", "NKX2-1",
                   "PECAM1", "PTPRC", "COL1A1")
]  # fmt: skip


def names(values) -> np.ndarray:
    return np.array(list(values), dtype=object)


def match(*columns, **options):
    gene_columns = {"index": names(columns[0])}
    gene_columns |= {f"column{i}": names(values) for i, values in enumerate(columns[1:], 1)}
    return match_genes(gene_columns, PANEL, **{"organism": "human"} | options)


@pytest.mark.parametrize(
    ("rule", "query"),
    [
        ("symbol", SYMBOLS),
        ("Ensembl id", IDS),
        ("Ensembl id without version", [f"{one}.{i}" for i, one in enumerate(IDS, 3)]),
        ("letter case", [symbol.swapcase() for symbol in SYMBOLS]),
        ("genome prefix", [f"GRCh38_{symbol}" for symbol in SYMBOLS]),
        ("genome prefix", [f"hg19______{one}.2" for one in IDS]),
        ("Ensembl id within the name", [f"{one}.4_{symbol}" for symbol, one in HUMAN.items()]),
        ("Ensembl id within the name", [f"{symbol}|{one}" for symbol, one in HUMAN.items()]),
    ],
)
def test_each_rule_alone_matches_every_gene(rule, query):
    result = match(query, any_organism=rule == "letter case")
    assert result.by_rule == {rule: len(SYMBOLS)}
    assert result.panel_column.tolist() == list(range(len(SYMBOLS)))
    assert result.panel_column.dtype == np.int32
    assert result.measured.all()
    assert result.share == 1
    assert result.missing == ()


def test_names_changed_by_r_match():
    query = [symbol.replace("-", ".") for symbol in SYMBOLS if symbol != "7SK"] + ["X7SK"]
    result = match(query)
    assert result.measured.all()
    assert result.by_rule == {"symbol": 9, "R names": 3}


def test_a_dot_is_a_dot_where_other_names_hold_hyphens():
    result = match([*SYMBOLS[:6], "HLA.A", "HLA-B"])
    assert result.panel_column[6] == -1
    assert "HLA-A" in result.missing


def test_suffixes_that_mark_a_repeated_symbol_are_not_taken_off():
    # NKX2.1 may be NKX2-1 or the second NKX2, and ACTB.1 the second ACTB.
    result = match([*SYMBOLS[:6], "NKX2", "NKX2.1", "ACTB.1", "ACTB-1"])
    assert result.panel_column[6:].tolist() == [-1] * 4
    result = match([symbol for symbol in SYMBOLS if "-" not in symbol] + ["NKX2", "NKX2.1"])
    assert "NKX2-1" in result.missing


def test_versions_are_ignored_on_the_side_of_the_panel_too():
    panel = Panel(("",) * len(IDS), tuple(f"{one}.7" for one in IDS))
    for query in (IDS, [f"{one}.9" for one in IDS]):
        result = match_genes({"index": names(query)}, panel, organism="human")
        assert result.by_rule == {"Ensembl id without version": len(IDS)}


def test_repeated_names_are_summed_and_counted():
    result = match([*SYMBOLS, "ACTB", "ACTB", "LYZ"])
    assert result.panel_column[-3:].tolist() == [0, 0, 7]
    assert result.n_duplicated == 3
    assert any("summed" in warning for warning in result.warnings)


def test_versions_of_one_ensembl_id_are_summed():
    result = match([f"{one}.1" for one in IDS] + [f"{IDS[0]}.2"])
    assert result.by_rule == {"Ensembl id without version": 12}
    assert result.ambiguous == ()
    assert result.panel_column[-1] == 0
    assert result.n_duplicated == 1


def test_the_stricter_rule_wins_and_the_other_gene_is_left_out():
    result = match(["actb", *SYMBOLS, "GRCh38_LYZ"])
    assert result.panel_column.tolist() == [-1, *range(len(SYMBOLS)), -1]
    assert result.by_rule == {"symbol": len(SYMBOLS)}


def test_different_names_within_one_rule_are_ambiguous():
    result = match(["actb", "Actb", *SYMBOLS[1:]])
    assert result.ambiguous == ("ACTB",)
    assert not result.measured[0]
    assert any("'ACTB'" in warning for warning in result.warnings)


def test_panel_genes_of_one_symbol_are_told_apart_by_id_or_not_at_all():
    panel = Panel(("MATR3", "MATR3", *SYMBOLS), ("ENSG00000015479", "ENSG00000280987", *IDS))
    by_symbol = match_genes({"index": names(["MATR3", *SYMBOLS])}, panel, organism="human")
    assert by_symbol.measured.tolist() == [False, False, *[True] * len(SYMBOLS)]
    by_id = match_genes({"index": names(panel.ensembl)}, panel, organism="human")
    assert by_id.measured.all()


def test_the_column_with_most_panel_genes_is_used_and_the_first_of_equals():
    assert match(["x"] * len(IDS), IDS).column == "column1"
    assert match(SYMBOLS, IDS).column == "index"
    assert match([*SYMBOLS[:-1], "x"], IDS).column == "column1"


def test_a_barnyard_query_gives_the_genes_of_the_atlas_organism():
    query = [f"GRCh38_{symbol}" for symbol in SYMBOLS] + [f"mm10_{symbol}" for symbol in MOUSE]
    result = match(query)
    assert result.panel_column.tolist() == [*range(len(SYMBOLS)), *[-1] * len(MOUSE)]


@pytest.mark.parametrize(
    "query",
    [MOUSE, [f"mm10_{symbol}" for symbol in MOUSE], [f"ENSMUSG{i:011d}" for i in range(12)]],
)
def test_another_organism_is_refused(query):
    with pytest.raises(InputError, match=r"look like mouse .* the atlas is human"):
        match(query)
    with pytest.raises(InputError, match="look like mouse"):
        match(query, organism=None)


def test_another_organism_is_seen_in_any_column():
    ids = [f"ENSMUSG{i:011d}" for i in range(12)]
    with pytest.raises(InputError, match="look like mouse"):
        match([f"feature {i}" for i in range(12)], ids)


def test_another_organism_maps_by_letter_case_when_asked_to():
    result = match(MOUSE, any_organism=True)
    assert result.by_rule == {"letter case": 7}
    assert result.organism == "mouse"
    assert any("letter case" in warning for warning in result.warnings)


def test_translated_symbols_beside_ids_of_the_other_organism_are_accepted_and_said():
    result = match(SYMBOLS, [f"ENSMUSG{i:011d}" for i in range(12)])
    assert result.measured.all()
    assert len(result.warnings) == 1
    assert "are of mouse ('ENSMUSG00000000000') although" in result.warnings[0]


@pytest.mark.parametrize(
    "around",
    [
        " {}",
        "{} ",
        '"{}"',
        "'{}'",
        "b'{}'",
        "rna_{}",
        "RNA:{}",
        "GEX-{}",
        "{}__chr19",
        "{}__chrX",
        "\t'rna_{}' ",
    ],
)
def test_what_stands_around_names_is_taken_off(around):
    result = match([around.format(symbol) for symbol in SYMBOLS])
    assert result.measured.all()
    assert result.by_rule == {"symbol": 12}
    assert result.warnings == (
        f"12 names of genes in the query were read without what stands around them "
        f"('{around.format('ACTB')}' as 'ACTB').",
    )


def test_names_are_read_without_a_prefix_where_more_than_half_have_it():
    prefixed = [f"RNA_{symbol}" for symbol in SYMBOLS[:6]]
    half = match([*prefixed, *SYMBOLS[6:]])
    assert (half.warnings, half.measured.sum()) == ((), 6)
    # genes without a name are not counted; the note tells those that were changed
    most = match([*prefixed, *SYMBOLS[6:11], *[""] * 9])
    assert most.measured.sum() == 11
    assert most.warnings[0].startswith("6 names of genes in the query were read without")


def test_a_prefix_of_few_names_is_a_part_of_them():
    assert match([*SYMBOLS, *(f"RNA-{symbol}" for symbol in SYMBOLS[:5])]).warnings == ()


OF_MOUSE = ("1110004F10Rik", "H2-K1", "Gm10073", "Olfr56", "Vmn1r4", "Rpl9-ps6")
OF_RAT = ("RGD1309489", "RT1-A1", "AABR07000398.1")


@pytest.mark.parametrize(("organism", "telling"), [("mouse", OF_MOUSE), ("rat", OF_RAT)])
def test_names_of_another_organism_in_capital_letters_are_refused(organism, telling):
    query = [*SYMBOLS, *(name.upper() for name in telling)]
    query += [f"GM{i}" if organism == "mouse" else f"RGD{i:07d}" for i in range(100, 110)]
    with pytest.raises(InputError, match=rf"those of {organism} in capital .* is human"):
        match(query)
    assert match(query, any_organism=True).measured.all()


def test_few_names_that_look_like_another_organisms_are_nothing():
    assert match([*SYMBOLS, *(f"GM{i}" for i in range(100, 109))]).warnings == ()
    assert match([*SYMBOLS, *(f"LOC{i}" for i in range(9000)), *OF_RAT]).measured.all()


def test_too_few_genes_are_refused_with_examples_of_both_sides():
    query = ["ACTB", *(f"feature_{i}" for i in range(9))]
    with pytest.raises(InputError) as caught:
        match(query, source="query.h5ad")
    text = str(caught.value)
    for part in ("Only 1 of the atlas's 12 genes", "query.h5ad", "1 by symbol", "20%",
                 "'feature_0'", "'B2M'", "'ENSG00000075624'"):  # fmt: skip
        assert part in text
    assert match(query, minimum=0.05).n_duplicated == 0


@pytest.mark.parametrize("gene_columns", [{}, {"index": names([])}])
def test_a_query_without_genes_is_refused(gene_columns):
    with pytest.raises(InputError, match="Only 0 of the atlas's 12 genes"):
        match_genes(gene_columns, PANEL, organism="human", minimum=0)


def test_the_report_is_json_and_says_what_matched():
    report = match([*SYMBOLS[:-2], "lyz2"]).report()
    assert json.loads(json.dumps(report)) == report
    assert report["n_matched"] == 10
    assert report["by_rule"] == {"symbol": 10}
    assert report["missing"] == ["PECAM1", "7SK"]


def test_the_report_shows_twenty_missing_genes_at_most():
    panel = Panel(tuple(f"G{i}" for i in range(100)), ("",) * 100)
    query = {"index": names(f"G{i}" for i in range(50))}
    result = match_genes(query, panel, organism=None)
    assert len(result.missing) == 50
    assert len(result.report()["missing"]) == 20


@given(st.data())
def test_order_of_the_query_changes_nothing_but_the_order(data):
    pool = [*SYMBOLS, *(s.lower() for s in SYMBOLS), *IDS[:3], "feature_1", "GRCh38_LYZ", "HLA.A"]
    query = ["ACTB", *data.draw(st.lists(st.sampled_from(pool)))]
    order = data.draw(st.permutations(range(len(query))))
    one = match(query, minimum=0, any_organism=True)
    other = match([query[i] for i in order], minimum=0, any_organism=True)
    assert other.panel_column.tolist() == one.panel_column[list(order)].tolist()
    assert other.by_rule == one.by_rule
    matched = one.panel_column[one.panel_column >= 0]
    assert set(matched.tolist()) == set(np.flatnonzero(one.measured).tolist())
    assert one.n_duplicated == len(matched) - one.measured.sum()


# Each way in which files write the names of genes, by one column or two. Symbols of the panel
# that two ways could mix up (7SK, NKX2-1) are among them.
WRITTEN = {
    "symbols": lambda s, e, i: (s, "x"),
    "ids": lambda s, e, i: (e, "x"),
    "versions": lambda s, e, i: (f"{e}.{i}", "x"),
    "ids beside": lambda s, e, i: (f"feature {i}", e),
    "symbols beside": lambda s, e, i: (f"feature {i}", s),
    "both": lambda s, e, i: (s, e),
    "old symbols": lambda s, e, i: (f"old {i}", f"{e}.3"),
    "prefixed": lambda s, e, i: (f"GRCh38_{s}", "x"),
    "prefixed ids": lambda s, e, i: (f"hg19___{e}", "x"),
    "joined": lambda s, e, i: (f"{e}_{s}", "x"),
    "probe": lambda s, e, i: (f"{e}|{s}|{i:07x}", "x"),
}
OTHERS = (
    "CD4_TotalSeqB", "Hashtag1", "HTO-2", "chr1:9-99", "ADT_LYZ", "sgRNA_ACTB",
    "LYZ-ACGTACGTACGTACG", "mm10_ACTB", "mm10___Lyz2", "ENSMUSG00000029580", "LOC7", "",
)  # fmt: skip


@given(st.data())
def test_any_mix_of_ways_to_write_names_gives_the_same_genes(data):
    symbols = data.draw(st.lists(st.sampled_from(SYMBOLS), min_size=4, unique=True))
    rows = [
        (*WRITTEN[data.draw(st.sampled_from(sorted(WRITTEN)))](symbol, HUMAN[symbol], i), symbol)
        for i, symbol in enumerate(symbols, 1)
    ]
    rows += [(name, "x", "") for name in data.draw(st.lists(st.sampled_from(OTHERS)))]
    rows = data.draw(st.permutations(rows))
    index, second, truth = zip(*rows, strict=True)
    column = data.draw(st.sampled_from(["gene_ids", "Gene_Symbol", "index (column)", "ensembl"]))
    columns = {"index": names(index), column: names(second)}
    result = match_genes(columns, PANEL, organism="human", minimum=0)
    expected = [SYMBOLS.index(symbol) if symbol else -1 for symbol in truth]
    assert result.panel_column.tolist() == expected
    assert result.ambiguous == ()


@given(st.data())
def test_features_of_other_kinds_neither_add_to_genes_nor_take_their_place(data):
    tags = data.draw(st.lists(st.sampled_from(SYMBOLS), unique=True))
    index, truth = [*tags, *SYMBOLS], [*[-1] * len(tags), *range(len(SYMBOLS))]
    word, other = data.draw(
        st.sampled_from(
            [("Gene Expression", "Antibody Capture"), ("Gene Expression", "Custom"), ("gex", "ADT"),
             ("rna", "prot"), ("RNA", "atac"), ("GEX", "CRISPR Guide Capture")]
        )
    )  # fmt: skip
    order = data.draw(st.permutations(range(len(index))))
    if data.draw(st.booleans()):
        kept = [index[i] for i in order]
        index = made_unique(kept)
    else:
        index = [index[i] for i in order]
    kinds = [word if truth[i] >= 0 else other for i in order]
    name = data.draw(st.sampled_from(["feature_types", "Feature Type", "featureType", "modality"]))
    columns = {"index": names(index), name: names(kinds)}
    result = match_genes(columns, PANEL, organism="human")
    assert result.panel_column.tolist() == [truth[i] for i in order]
    assert any(f"{len(tags)} {other}" in said for said in result.warnings) == bool(tags)


def made_unique(values):
    """As `anndata.utils.make_index_unique` does."""
    seen: dict[str, int] = {}
    unique = []
    for value in values:
        n = seen.get(value, -1) + 1
        seen[value] = n
        unique.append(f"{value}-{n}" if n else value)
    return unique


def test_features_that_are_no_genes_alone_are_refused():
    with pytest.raises(InputError, match="no features of type 'Gene Expression', only Peaks"):
        match_genes({"index": names(SYMBOLS), "feature_types": names(["Peaks"] * 12)}, PANEL,
                    organism=None)  # fmt: skip
    with pytest.raises(InputError, match="only of other kinds by their names"):
        match([f"{symbol}_TotalA" for symbol in SYMBOLS])


@pytest.mark.parametrize("kinds", ["protein_coding", "Mt_rRNA", "gene", "", "custom gene"])
def test_biotypes_are_no_kinds_of_features(kinds):
    columns = {"index": names(SYMBOLS), "feature_type": names([kinds] * 12)}
    result = match_genes(columns, PANEL, organism="human")
    assert result.measured.all()
    assert result.warnings == ()


def test_mouse_genes_of_a_mixed_query_never_reach_human_ones():
    rows = [("ACTB", "GRCh38"), ("LYZ", "GRCh38"), ("GNLY", "mm10"), ("EPCAM", ""), ("B2M", "mm10")]
    symbols, genomes = zip(*rows, strict=True)
    columns = {"index": names(symbols), "genome": names(genomes)}
    result = match_genes(columns, PANEL, organism="human")
    assert result.panel_column.tolist() == [0, 7, -1, 4, -1]
    assert result.warnings[0] == "2 genes of another organism in the query were left out."
    unique = {"index": names(["LYZ", "LYZ-1", *SYMBOLS[:7]]),
              "genome": names(["mm10", "GRCh38", *["GRCh38"] * 7])}  # fmt: skip
    result = match_genes(unique, PANEL, organism="human")
    assert result.panel_column.tolist() == [-1, 7, *range(7)]


def test_names_that_differ_by_case_alone_are_genes_of_two_organisms():
    human = [symbol for symbol in SYMBOLS[:11] if symbol.isupper()]
    mouse = [symbol.capitalize() for symbol in human]
    assert match([*human, *mouse[:9], "Epcam2"]).by_rule == {"symbol": 10}
    others = [symbol for symbol in human if symbol != "EPCAM"]
    assert match([*others, *mouse, "XIST", "Xist"]).by_rule == {"symbol": 9}
    assert match([*others, *mouse]).by_rule == {"symbol": 9, "letter case": 1}


def test_an_id_counts_more_than_a_name():
    # An antibody called CD3D lacks an id, and took the name of the gene.
    index = [*SYMBOLS, "CD3D-1"]
    ids = [*IDS, HUMAN["CD3D"]]
    ids[3] = "CD3D"
    result = match(index, ids)
    assert result.column == "index"
    columns = {"index": names(index), "gene_ids": names(ids)}
    result = match_genes(columns, PANEL, organism="human")
    assert result.panel_column.tolist() == [0, 1, 2, -1, *range(4, 12), 3]


def test_columns_that_contradict_each_other_in_a_few_genes_are_said_and_the_id_believed():
    ids = [IDS[1], IDS[0], *IDS[2:]]
    columns = {"index": names(SYMBOLS), "gene_ids": names(ids)}
    result = match_genes(columns, PANEL, organism="human")
    assert result.panel_column.tolist() == [1, 0, *range(2, 12)]
    assert result.warnings == (
        "2 genes of the query have different names in two columns of var ('ACTB' in 'index', "
        "'ENSG00000166710' in 'gene_ids'); the Ensembl id was believed.",
    )


def test_of_columns_by_one_rule_the_first_counts():
    columns = {"index": names(SYMBOLS), "gene_name": names([SYMBOLS[1], SYMBOLS[0], *SYMBOLS[2:]])}
    result = match_genes(columns, PANEL, organism="human")
    assert result.panel_column.tolist() == list(range(12))
    ids = {
        "index": names([f"{one}.2" for one in IDS]),
        "gene_ids": names([IDS[1], IDS[0], *IDS[2:]]),
    }
    for columns in (ids, dict(reversed(ids.items()))):
        first = [0, 1] if next(iter(columns)) == "index" else [1, 0]
        result = match_genes(columns, PANEL, organism="human")
        assert result.panel_column.tolist() == [*first, *range(2, 12)]


def test_an_id_within_the_name_counts_as_an_id():
    within = [f"{one}_x" for one in IDS]
    columns = {"index": names([SYMBOLS[1], SYMBOLS[0], *SYMBOLS[2:]]), "gene_ids": names(within)}
    result = match_genes(columns, PANEL, organism="human")
    assert result.panel_column.tolist() == list(range(12))
    twice = match([*within, f"{IDS[0]}.4_y"])
    assert twice.panel_column.tolist() == [*range(12), 0]
    assert (twice.n_duplicated, twice.ambiguous) == (1, ())


def test_a_gene_that_a_column_leaves_out_is_taken_from_the_other_and_told_by_its_rule():
    index = ["ACTB", "", *SYMBOLS[2:]]
    ids = ["", HUMAN["ACTB"], *IDS[2:]]
    columns = {"index": names(index), "gene_ids": names(ids)}
    result = match_genes(columns, PANEL, organism="human")
    # two rows are ACTB, by its name and by its id: the id counts, the other row is left out
    assert result.panel_column.tolist() == [-1, 0, *range(2, 12)]
    assert result.is_gene.all()
    assert result.by_rule == {"Ensembl id": 1, "symbol": 10}


def test_names_in_another_case_are_refused_with_one_of_them():
    query = [*SYMBOLS[:2], *(symbol.swapcase() for symbol in SYMBOLS[2:])]
    with pytest.raises(InputError) as caught:
        match(query)
    assert "'c1ORF112'" in str(caught.value)
    assert "'C1orf112'" in str(caught.value)
    assert "'ACTB'" not in str(caught.value)


def test_columns_of_which_one_is_in_another_order_are_refused():
    columns = {"index": names(SYMBOLS), "gene_ids": names(np.roll(IDS, 1))}
    with pytest.raises(InputError, match="12 of 12 genes of the query have different names"):
        match_genes(columns, PANEL, organism="human")


def test_columns_that_name_other_things_are_not_joined():
    nearest = [*["x"] * 6, *SYMBOLS[6:]]
    columns = {"index": names([*SYMBOLS[:6], *["peak"] * 6]), "nearest_gene": names(nearest)}
    assert match_genes(columns, PANEL, organism="human").measured.sum() == 6


def test_another_organism_is_refused_whatever_the_minimum():
    with pytest.raises(InputError, match="look like mouse"):
        match(MOUSE, minimum=0)
    with pytest.raises(InputError, match=r"12 of the 12 genes .* letter case .* --any-organism"):
        match([symbol.swapcase() for symbol in SYMBOLS], minimum=0)


def test_as_many_genes_as_are_asked_for_are_enough_whatever_else_is_measured():
    others = [f"{a}{b}aa" for a in "ABCD" for b in "klmn"]
    assert match([*SYMBOLS[:3], *others], minimum=0.25).measured.sum() == 3
    with pytest.raises(InputError, match="look like mouse"):
        match([*SYMBOLS[:3], *others], minimum=0.26)


def test_a_small_panel_with_right_names_is_told_how_to_be_mapped():
    panel = Panel(tuple(f"GENE{i}" for i in range(100)), ("",) * 100)
    query = {"index": names(f"GENE{i}" for i in range(7))}
    with pytest.raises(InputError) as caught:
        match_genes(query, panel, organism="human")
    assert "at least 20% are needed" in str(caught.value)
    assert "--minimum-genes 0.07" in str(caught.value)
    assert match_genes(query, panel, organism="human", minimum=0.07).measured.sum() == 7
    with pytest.raises(InputError) as caught:
        match_genes({"index": names(["x"])}, panel, organism="human", minimum=0)
    assert "needed" not in str(caught.value)


def test_symbols_of_other_years_reach_the_same_gene_both_ways():
    panel = Panel(("CXCL8", "C10orf54", "", *SYMBOLS), ("", "", "ENSG00000188659", *IDS))
    for query in (["IL8", "VSIR", "FAM154B"], ["IL8", "VSIR", "SAXO2"]):
        result = match_genes({"index": names([*query, *SYMBOLS])}, panel, organism="human")
        assert result.panel_column.tolist() == list(range(15))
        assert result.by_rule == {"symbol": 12, "symbol of other years": 3}
        assert result.warnings == (
            "3 genes of the query were found by a symbol that they have in other years "
            "('IL8' for 'CXCL8').",
        )
    both = match_genes({"index": names(["IL8", "CXCL8", *SYMBOLS])}, panel, organism="human")
    assert both.panel_column[:2].tolist() == [-1, 0]


def test_no_symbol_of_today_is_one_of_other_years():
    table = previous_symbols()
    today = load_gene_table("human").symbol_of
    assert not [symbol for symbol in set(today.values()) & set(table)
                if today.get(table[symbol]) not in (symbol, None)]  # fmt: skip
    assert table["IL8"] == table["CXCL8"] == "ENSG00000169429"


@pytest.mark.parametrize("kind", ["Gene Expression", "gene", "RNA"])
def test_rows_without_a_kind_are_no_genes_beside_those_that_are_said_to_be(kind):
    columns = {
        "index": names([*SYMBOLS[:2], *SYMBOLS]),
        "feature_types": names(["", "", *[kind] * len(SYMBOLS)]),
    }
    found = match_genes(columns, PANEL, organism="human")
    assert found.panel_column[:2].tolist() == [-1, -1]
    alone = match_genes({"index": names(SYMBOLS)}, PANEL, organism="human")
    assert found.panel_column[2:].tolist() == alone.panel_column.tolist()
    assert any("2 of no stated kind" in warning for warning in found.warnings)


def test_a_column_of_genes_and_proteins_says_kinds_whatever_its_name():
    columns = {
        "index": names([*SYMBOLS[:2], *SYMBOLS]),
        "type": names(["protein", "protein", *["gene"] * len(SYMBOLS)]),
    }
    assert match_genes(columns, PANEL, organism="human").panel_column[:2].tolist() == [-1, -1]


def test_an_exact_panel_is_found_by_its_very_names_unless_hardly_any_are() -> None:
    symbols = tuple(f"G{i}" for i in range(10))
    panel = Panel(symbols, ("",) * 10, exact=True)
    names = [*symbols[:5], *(name.lower() for name in symbols[5:])]
    found = match_genes({"index": np.array(names, object)}, panel, organism=None)
    assert found.by_rule == {"symbol": 5}
    few = [*symbols[:1], *(name.lower() for name in symbols[1:])]
    found = match_genes({"index": np.array(few, object)}, panel, organism=None, minimum=0.1)
    assert found.by_rule == {"symbol": 1}
    any_ = match_genes({"index": np.array(names, object)}, Panel(*_two(panel)), organism=None)
    assert any_.by_rule == {"symbol": 5, "letter case": 5}
    prefixed = np.array([f"GRCh38_{name}" for name in symbols], object)
    assert match_genes({"index": prefixed}, panel, organism=None).measured.all()


def _two(panel: Panel) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return panel.symbols, panel.ensembl


def test_a_gene_that_comes_twice_in_the_panel_is_measured_in_both_places() -> None:
    panel = Panel(("A", "B", "A", "C", "B", "A"), ("",) * 6)
    names = np.array(["A", "C", "C"], object)
    found = match_genes({"index": names}, panel, organism=None)
    assert found.panel_column.tolist() == [0, 3, 3]
    assert found.measured.tolist() == [True, False, True, True, False, True]
    assert found.n_duplicated == 1
    assert found.by_rule == {"symbol": 4}
    assert found.missing == ("B", "B")


def _exact(others: bool) -> tuple[Panel, Panel]:
    """Symbols alone, ids alone: panels of converted models, with other names or without."""
    nothing = ("",) * len(SYMBOLS)
    by_symbol = Panel(SYMBOLS, nothing, True, IDS if others else ())
    return by_symbol, Panel(nothing, IDS, True, SYMBOLS if others else ())


@pytest.mark.parametrize("way", sorted(WRITTEN))
def test_other_names_find_the_genes_of_a_query_that_calls_none_as_the_panel_does(way) -> None:
    query = [WRITTEN[way](symbol, one, i) for i, (symbol, one) in enumerate(HUMAN.items(), 1)]
    index, gene_ids = (names(column) for column in zip(*query, strict=True))
    for panel in _exact(True):
        found = match_genes({"index": index, "gene_ids": gene_ids}, panel, organism="human")
        assert found.panel_column.tolist() == list(range(len(SYMBOLS)))
        assert found.missing == ()


def test_the_use_of_other_names_is_said() -> None:
    by_symbol, by_id = _exact(True)
    found = match_genes({"index": names(IDS)}, by_symbol, organism="human", source="q.h5ad")
    assert found.by_rule == {"Ensembl id": 12}
    assert found.warnings == (
        "Hardly any gene of q.h5ad is called as the atlas calls it; 12 were found by a table of "
        "symbols and Ensembl ids ('ENSG00000075624' for 'ACTB').",
    )
    found = match_genes({"index": names(SYMBOLS[:9])}, by_id, organism="human")
    assert found.missing == IDS[9:]
    assert "('ACTB' for 'ENSG00000075624')" in found.warnings[0]


def test_another_organism_is_refused_with_other_names_too() -> None:
    for panel in _exact(True):
        for query in (MOUSE, [f"ENSMUSG{i:011d}" for i in range(12)]):
            with pytest.raises(InputError, match="look like mouse"):
                match_genes({"index": names(query)}, panel, organism="human")


@given(st.data())
def test_other_names_change_nothing_where_any_gene_is_called_as_in_the_panel(data) -> None:
    which = data.draw(st.integers(0, 1))
    rows = [(data.draw(st.sampled_from([SYMBOLS, IDS][which])), "x")]
    for i, (symbol, one) in enumerate(HUMAN.items()):
        ways = data.draw(st.lists(st.sampled_from(sorted(WRITTEN)), max_size=2))
        rows += [WRITTEN[way](symbol, one, i) for way in ways]
    rows = data.draw(st.permutations([*rows, *((other, "") for other in OTHERS)]))
    columns = dict(zip(("index", "gene_ids"), map(names, zip(*rows, strict=True)), strict=True))
    one, other = (_outcome(columns, _exact(others)[which]) for others in (False, True))
    assert one == other


def _outcome(columns, panel: Panel):
    try:
        found = match_genes(columns, panel, organism="human", minimum=0, any_organism=True)
    except InputError as error:
        return str(error)
    return found.report(), found.panel_column.tolist(), found.rule.tolist()


@pytest.mark.parametrize("n", [20, 40, 100])
def test_a_few_genes_by_letter_case_go_without_saying(n) -> None:
    panel = Panel(tuple(f"GENE{i}A" for i in range(n)), ("",) * n)
    for loose in (1, n // 10, n // 10 + 1):
        query = [name.lower() if i < loose else name for i, name in enumerate(panel.symbols)]
        result = match_genes({"index": names(query)}, panel, organism="human")
        assert result.by_rule == {"symbol": n - loose, "letter case": loose}
        said = [warning for warning in result.warnings if "letter case" in warning]
        assert len(said) == (loose > n // 10)


def test_columns_that_contradict_each_other_are_those_that_name_a_gene_of_the_panel():
    columns = {
        "index": names(["x", *SYMBOLS[1:]]),
        "gene_ids": names([IDS[0], *IDS[1:4], *[""] * 8]),
        "gene_name": names([SYMBOLS[1], *[""] * 11]),
    }
    columns["gene_name"][1:4] = SYMBOLS[1:4]
    result = match_genes(columns, PANEL, organism="human")
    (said,) = [warning for warning in result.warnings if "different names" in warning]
    assert said.startswith("1 genes of the query")
    assert "('ENSG00000075624' in 'gene_ids', 'B2M' in 'gene_name')" in said


@pytest.mark.parametrize("nameless", range(3))
def test_examples_of_the_panels_names_are_names(nameless) -> None:
    symbols = tuple("" if i < 4 else name for i, name in enumerate(SYMBOLS))
    ids = tuple("" if 3 < i < 8 else one for i, one in enumerate(IDS))
    panel = Panel(*((symbols, ids), (symbols, ("",) * 12), (("",) * 12, ids))[nameless])
    with pytest.raises(InputError) as caught:
        match_genes({"index": names(["x", "y"])}, panel, organism="human")
    text = str(caught.value)
    assert ("'EPCAM', 'GNLY', 'HLA-A'" in text) == (nameless < 2)
    assert ("'ENSG00000075624'" in text) == (nameless != 1)
    assert "''" not in text


@pytest.mark.parametrize("place", [0, 3, 15])
def test_a_symbol_of_other_years_is_named_wherever_it_stands(place) -> None:
    panel = Panel(("CXCL8", *SYMBOLS), ("ENSG00000169429", *IDS))
    query = [*IDS[:6], *SYMBOLS[6:], "x", "y", "z"]
    query.insert(place, "IL8")
    result = match_genes({"index": names(query)}, panel, organism="human")
    assert result.by_rule == {"Ensembl id": 6, "symbol": 6, "symbol of other years": 1}
    assert result.warnings == (
        "1 genes of the query were found by a symbol that they have in other years "
        "('IL8' for 'CXCL8').",
    )
