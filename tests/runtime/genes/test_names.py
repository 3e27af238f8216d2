from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cellport.runtime.errors import InputError
from cellport.runtime.genes.match import match_genes
from cellport.runtime.genes.names import GeneNames
from cellport.runtime.genes.panel import Panel
from cellport.runtime.genes.rules import RULES, Rule

SYMBOLS = ("ACTB", "CD3D", "CD4", "HLA-A", "LYZ", "MS4A1", "NKG7", "PTPRC", "CXCL8", "7SK", "Actb")
IDS = tuple(f"ENSG{gene:011d}" for gene in range(len(SYMBOLS)))
# names as files have them: other case, other years, versions, prefixes, quotes, other features
NAMES = st.sampled_from(
    [
        *SYMBOLS,
        *IDS,
        *(f"{one}.2" for one in IDS[:4]),
        *("actb", "HLA.A", "X7SK", "IL8", "GRCh38_LYZ", "mm10_Lyz2", "ENSMUSG00000000001"),
        *("CD4-1", "CD4_TotalSeqB", "chr1:1-200", '"LYZ"', " NKG7", "", "Gene1", f"{IDS[2]}_CD4"),
    ]
)
COLUMN_NAMES = ("index", "gene_ids", "feature_types", "gene_name")


@st.composite
def queries(draw: Any) -> dict[str, np.ndarray]:
    n = draw(st.integers(1, 16))
    names = draw(st.lists(st.sampled_from(COLUMN_NAMES), min_size=1, max_size=3, unique=True))
    kinds = st.sampled_from(["Gene Expression", "Antibody Capture"])
    return {
        name: np.array(
            draw(st.lists(kinds if name == "feature_types" else NAMES, min_size=n, max_size=n)),
            object,
        )
        for name in names
    }


@st.composite
def panels(draw: Any) -> Panel:
    genes = draw(st.lists(st.integers(0, len(SYMBOLS) - 1), min_size=1, max_size=12))
    named = draw(st.sampled_from(["symbols", "ids", "both"]))
    none = [""] * len(genes)
    return Panel(
        tuple(none if named == "ids" else (SYMBOLS[gene] for gene in genes)),
        tuple(none if named == "symbols" else (IDS[gene] for gene in genes)),
        exact=draw(st.booleans()),
    )


def found(columns: Any, panel: Panel, organism: str, any_organism: bool) -> list[Any]:
    """Everything that a match says, or the sentence that refuses it."""
    asked = {"organism": organism, "minimum": 0.01, "any_organism": any_organism}
    try:
        match = match_genes(columns, panel, source="q.h5ad", **asked)
    except InputError as error:
        return [str(error)]
    said = [getattr(match, one.name) for one in fields(match)]
    return [one.tolist() if isinstance(one, np.ndarray) else one for one in said]


@given(queries(), st.lists(panels(), min_size=2, max_size=4), st.booleans())
def test_names_that_several_atlases_read_match_each_as_if_it_were_alone(
    columns: dict[str, np.ndarray], asked: list[Panel], any_organism: bool
) -> None:
    names = GeneNames(columns)
    for panel in [*asked, asked[0]]:
        for organism in ("human", "mouse"):
            alone = found(dict(columns), panel, organism, any_organism)
            assert found(names, panel, organism, any_organism) == alone


@given(st.lists(NAMES, max_size=20), st.sampled_from(RULES))
def test_keys_stand_where_they_are_found_one_by_one(names: list[str], rule: Rule) -> None:
    keys = rule.query_keys(names)
    places = rule.places(names)
    wanted = {key: at for at, key in enumerate(sorted({*keys, "none"} - {None}))}
    expected = [(row, wanted[key]) for row, key in enumerate(keys) if key is not None]
    assert sorted(places.claims(wanted)) == expected
    assert all((key in places) == (key in keys) for key in wanted)


def test_what_an_atlas_had_changed_is_not_kept() -> None:
    asked: list[list[str]] = []

    def count(names: list[str]) -> int:
        asked.append(names)
        return len(names)

    names = GeneNames({"index": np.array(["ACTB", "LYZ"], object)})
    (own,) = names.tidied("q.h5ad")[0].values()
    assert [names.find_in(count, own) for _ in range(3)] == [2, 2, 2]
    assert len(asked) == 1
    assert [names.find_in(count, list(own)) for _ in range(3)] == [2, 2, 2]
    assert len(asked) == 4
