"""What both kinds of 10x output have in common: features of several types."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from cellport.runtime.decisions import say, text
from cellport.runtime.errors import InputError

if TYPE_CHECKING:
    from cellport.runtime.sources.source import Text

EXPRESSION = text("files.expression")


def tenx_gene_columns(
    title: str, ids: Text, names: Text, types: Text | None
) -> tuple[dict[str, Text], tuple[str, ...]]:
    """Return the gene columns of 10x features and a note on those that are no genes.

    Features of other types (antibodies, guides, peaks) get the empty name, so that nothing
    can match them.
    """
    notes: tuple[str, ...] = ()
    if types is not None:
        genes = types == EXPRESSION
        if not genes.any():
            kinds = ", ".join(sorted(set(types.tolist()))[:5])
            raise InputError(
                say("files.no_expression", title=title, expression=EXPRESSION, kinds=kinds)
            )
        if not genes.all():
            others = Counter(types[~genes].tolist())
            listed = ", ".join(f"{count} {kind}" for kind, count in others.items())
            notes = (say("files.left_out", features=listed),)
            ids, names = np.where(genes, ids, ""), np.where(genes, names, "")
    return {"index": names, "gene_ids": ids, "gene_names": names}, notes
