"""The genes that an atlas reads."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Panel:
    """The genes an atlas reads, in the order of the encoder's input."""

    symbols: tuple[str, ...]  # symbol of each gene; ``""`` where unknown
    ensembl: tuple[str, ...]  # Ensembl id of each gene; ``""`` where unknown
    # whether genes are found by their very names alone, as the tool does whose model this was,
    # unless hardly any are
    exact: bool = False
    # where hardly any of those names are found, what else genes are called: the Ensembl id of one
    # with a symbol alone, the symbol of one with an Ensembl id alone; ``""`` where unknown. Empty
    # where the panel's own names are all that count
    other_names: tuple[str, ...] = ()

    @property
    def n_genes(self) -> int:
        """Number of genes in the panel."""
        return len(self.symbols)

    @property
    def representative(self) -> NDArray[np.int64]:
        """Of genes that come twice the first: position of that for each gene, int64 [n_genes].

        Models of other tools hold some genes twice. Both read the same counts.
        """
        return _representative(self)

    @property
    def distinct(self) -> list[int]:
        """Positions of the genes that are the first of theirs, ascending."""
        # numpy.unique loads numpy.ma, a fortieth of a short mapping
        return sorted(set(self.representative.tolist()))

    @property
    def named_both_ways(self) -> Panel | None:
        """The same genes by all their names; None where they have no other names."""
        if not any(self.other_names):
            return None
        named = list(zip(self.symbols, self.ensembl, self.other_names, strict=True))
        return Panel(
            tuple(symbol or other for symbol, _, other in named),
            tuple(ensembl or other for _, ensembl, other in named),
            self.exact,
        )

    @property
    def names(self) -> NDArray[np.object_]:
        """Symbol of each gene, or its Ensembl id where it has none: object [n_genes]."""
        pairs = zip(self.symbols, self.ensembl, strict=True)
        return np.array([symbol or ensembl for symbol, ensembl in pairs], dtype=object)


@lru_cache(maxsize=4)
def _representative(panel: Panel) -> NDArray[np.int64]:
    first: dict[tuple[str, str], int] = {}
    pairs = zip(panel.symbols, panel.ensembl, strict=True)
    found = np.array([first.setdefault(pair, at) for at, pair in enumerate(pairs)], np.int64)
    found.setflags(write=False)
    return found
