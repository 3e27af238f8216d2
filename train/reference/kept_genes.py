"""Genes that are asked for by name to be in the panel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.base.names import listed
from cellport.runtime.errors import InputError, TrainingError
from cellport.runtime.genes.match import match_genes
from cellport.runtime.genes.panel import Panel
from cellport.train.reference.gene_names import name_genes

# names that a message lists
_MOST_NAMED = 10


def find_kept_genes(
    gene_columns: Mapping[str, NDArray[np.object_]],
    names: Sequence[str],
    most: int,
    organism: str | None = None,
) -> tuple[NDArray[np.int64], str]:
    """Find genes of a reference by any name that a query may have for them.

    Returns their positions, int64, ascending, and a note about names that none has, or "".

    Parameters
    ----------
    gene_columns
        Names of the reference's genes, as in `CountSource`.
    most
        Genes that the panel holds.

    Raises
    ------
    TrainingError
        None is found, or more than the panel holds.
    """
    if not names:
        return np.empty(0, np.int64), ""
    of_reference = name_genes(gene_columns, organism=organism)
    try:
        # whoever names genes of a reference knows its organism
        match = match_genes(
            {"genes": np.asarray(names, object)},
            Panel(of_reference.symbols, of_reference.ensembl),
            organism=of_reference.organism or None,
            minimum=0,
            any_organism=True,
        )
    except InputError:
        shown = listed(names, _MOST_NAMED)
        raise TrainingError(f"None of the genes to keep is in the reference: {shown}.") from None
    missing = [name for name, at in zip(names, match.panel_column.tolist(), strict=True) if at < 0]
    found = np.flatnonzero(match.measured).astype(np.int64)
    if len(found) > most:
        raise TrainingError(
            f"{len(found):,} genes are to be kept, more than the panel of {most:,} holds; ask for "
            "a larger one."
        )
    if not missing:
        return found, ""
    told = listed(missing, _MOST_NAMED)
    return found, f"{len(missing):,} of the genes to keep are not in the reference: {told}."
