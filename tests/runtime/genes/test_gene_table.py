from __future__ import annotations

import re
from itertools import compress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellport.runtime.genes.gene_table import Organism, load_gene_table, other_names
from cellport.runtime.genes.panel import Panel

HUMAN = {
    "ACTB": "ENSG00000075624", "B2M": "ENSG00000166710", "CD3D": "ENSG00000167286",
    "HLA-A": "ENSG00000206503", "NKX2-1": "ENSG00000136352", "PECAM1": "ENSG00000261371",
}  # fmt: skip


def panel(*names: str) -> Panel:
    """Names as a converted model's panel has them."""
    symbols = tuple("" if name.startswith("ENS") else name for name in names)
    return Panel(symbols, tuple(name if name.startswith("ENS") else "" for name in names), True)


@pytest.mark.parametrize(
    ("organism", "prefix", "least"), [("human", "ENSG", 42_000), ("mouse", "ENSMUSG", 56_000)]
)
def test_the_tables_are_whole_and_consistent(organism: Organism, prefix: str, least: int) -> None:
    table = load_gene_table(organism)
    assert len(table.symbol_of) >= least
    assert all(re.fullmatch(rf"{prefix}\d{{11}}", one) for one in table.symbol_of)
    assert all(table.symbol_of.values())
    assert all(table.symbol_of[one] == symbol for symbol, one in table.id_of.items())


def test_well_known_genes_have_their_ids() -> None:
    human = load_gene_table("human").id_of
    assert {symbol: human[symbol] for symbol in HUMAN} == HUMAN
    assert load_gene_table("mouse").id_of["Actb"] == "ENSMUSG00000029580"
    assert load_gene_table("mouse").id_of["Sox17"] == "ENSMUSG00000025902"


def test_a_symbol_of_few_ids_has_the_lowest_and_a_family_none() -> None:
    table = load_gene_table("human")
    assert table.symbol_of["ENSG00000280987"] == "MATR3"
    assert table.id_of["MATR3"] == "ENSG00000015479"
    assert "MATR3" not in table.only_id_of
    assert "Y_RNA" not in table.id_of


def test_a_symbol_has_its_id_and_an_id_its_symbol() -> None:
    symbols, ids = tuple(HUMAN), tuple(HUMAN.values())
    assert other_names(panel(*symbols), "human") == ids
    assert other_names(panel(*ids), "human") == symbols
    assert other_names(panel(*(f"{one}.7" for one in ids)), "human") == symbols
    assert other_names(panel("Actb", "ENSMUSG00000025902"), "mouse") == (
        "ENSMUSG00000029580",
        "Sox17",
    )
    assert other_names(panel("Actb"), "rat") == ()


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("MATR3",), ("",)),  # two ids
        (("ENSG00000015479",), ("",)),
        (("Y_RNA", "my_transgene", "ENSG00000999999"), ("", "", "")),
        (("ACTB", "ENSG00000075624"), ("", "")),  # both there already
        (("ACTB", "ENSG00000075624.5"), ("", "")),
        (("ACTB", "ACTB"), (HUMAN["ACTB"],) * 2),  # one gene twice
        (("IL8",), ("ENSG00000169429",)),  # its symbol in other years
        (("IL8", "CXCL8"), ("", "ENSG00000169429")),
        (("WDR65", "CFAP57"), ("", "ENSG00000243710")),
    ],
)
def test_what_is_in_doubt_has_no_other_name(
    names: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    assert other_names(panel(*names), "human") == expected


@given(st.data())
def test_no_two_genes_of_a_panel_have_one_name(data: st.DataObject) -> None:
    organism = data.draw(st.sampled_from(["human", "mouse"]))
    table = load_gene_table(organism)
    some = sorted(table.symbol_of)[:: len(table.symbol_of) // 30]
    pool = [*some, *(table.symbol_of[one] for one in some), "MATR3", "IL8", "CXCL8", "LOC7"]
    drawn = data.draw(st.lists(st.sampled_from(pool), min_size=1))
    others = other_names(panel(*drawn), organism)
    pairs = {(name, other) for name, other in zip(drawn, others, strict=True) if other}
    assert len({other for _, other in pairs}) == len(pairs)
    assert not {other for _, other in pairs} & set(drawn)
    for name in compress(drawn, others):
        assert len({other for own, other in pairs if own == name}) == 1
