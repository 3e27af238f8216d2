"""Antibodies that are called as their genes are, in a file that does not say which are which."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellport.runtime.errors import InputError
from cellport.runtime.genes.match import match_genes
from cellport.runtime.genes.panel import Panel

SURFACE = ("CD4", "CD8A", "CD19", "CD3E", "CD14", "CD79B", "CD33", "CD69")
# of an annotation: names that come twice far apart, as on both sex chromosomes
TWICE = ("CD99", "TBCE", "MATR3")
# as nobody names genes, so that the panel is told by what it holds
GENES = tuple(f"ZNF{i}" for i in range(600))
PANEL = Panel((*SURFACE, *TWICE, *GENES), ("",) * (len(SURFACE) + len(TWICE) + len(GENES)))


def match(names, **columns):
    given_columns = {"index": names} | columns
    arrays = {name: np.array(values, object) for name, values in given_columns.items()}
    return match_genes(arrays, PANEL, organism="human", minimum=0.05)


def outcome(names):
    """The match, None where it is refused for what nobody can tell."""
    refused = "nothing tells which are which"
    try:
        return match(names)
    except InputError as error:
        if refused not in str(error):
            raise
    return None


@st.composite
def genes_and_antibodies(draw):
    """Genes in any order, some named twice, and a block of antibodies, some of no gene's name."""
    genes = draw(st.permutations([*SURFACE, *GENES, *TWICE[: draw(st.integers(0, 3))]]))
    twice = [name for name in genes if name in TWICE]
    # the second of two stands behind all that a block at the start could hold
    genes = [*genes, *twice, *(f"LOC{i}" for i in range(40))]
    named = draw(st.lists(st.sampled_from(SURFACE), min_size=4, unique=True))
    others = [f"IgG{i}" for i in range(draw(st.integers(0, 20)))]
    return genes, draw(st.permutations([*named, *others]))


def made_unique(names):
    seen: dict[str, int] = {}
    for name in names:
        n = seen[name] = seen.get(name, -1) + 1
        yield f"{name}-{n}" if n else name


@given(genes_and_antibodies(), st.booleans(), st.booleans())
def test_a_block_of_antibodies_is_left_out(both, first, unique):
    genes, antibodies = both
    names = [*antibodies, *genes] if first else [*genes, *antibodies]
    told = list(made_unique(names)) if unique else names
    of_antibody = np.zeros(len(names), bool)
    of_antibody[: len(antibodies)] = first
    of_antibody[len(genes) :] |= not first
    found = outcome(told)
    if found is None:
        return
    column = found.panel_column
    assert (column[of_antibody] == -1).all()
    assert any("names of genes that come twice" in note for note in found.warnings)
    alone = match(list(made_unique(genes)) if unique else genes)
    is_gene = [PANEL.symbols.index(n) if n in SURFACE else -1 for n in genes]
    kept = column[~of_antibody]
    assert all(kept[row] == gene for row, gene in enumerate(is_gene) if gene >= 0)
    assert found.measured.tolist() == alone.measured.tolist()


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("unique", [False, True])
def test_three_antibodies_at_an_end_are_enough(first, unique):
    genes, antibodies = [*GENES[:200], *SURFACE, *GENES[200:]], SURFACE[:3]
    names = [*antibodies, *genes] if first else [*genes, *antibodies]
    found = match(list(made_unique(names)) if unique else names)
    rows = range(3) if first else range(len(genes), len(names))
    assert [found.panel_column[row] for row in rows] == [-1] * 3
    assert found.measured[:3].all()
    assert found.n_duplicated == 0


@given(st.permutations([*SURFACE, *SURFACE, *GENES[:200]]))
def test_antibodies_among_genes_are_refused_or_told(names):
    found = outcome(names)
    assert found is None or found.n_duplicated == 0


def test_antibodies_in_the_order_of_their_genes_are_refused():
    names = sorted([*SURFACE, *SURFACE, *GENES])
    with pytest.raises(InputError, match=r"8 names of surface .*'CD14', 'CD19', 'CD33'"):
        match(names)


def test_an_id_tells_a_gene_from_its_antibody():
    names = sorted([*SURFACE, *SURFACE, *GENES])
    last = [name != after for name, after in zip(names, [*names[1:], ""], strict=True)]
    ids = [f"ENSG{i:011d}" if gene else "" for i, gene in enumerate(last)]
    found = match(names, ids=ids)
    assert (found.panel_column >= 0).tolist() == last


@pytest.mark.parametrize(
    "names",
    [
        # both sex chromosomes, and some more that annotations name twice
        [*SURFACE, *GENES, *TWICE, *TWICE],
        # spliced and unspliced counts of all genes
        [*SURFACE, *GENES, *SURFACE, *GENES],
    ],
)
def test_genes_that_are_named_twice_are_still_summed(names):
    found = match(names)
    assert (found.panel_column >= 0).all()
    assert found.n_duplicated == len(names) - len(set(names))
