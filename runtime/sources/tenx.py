"""What both kinds of 10x output have in common: features of several types."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from cellport.runtime.base.feature_kinds import feature_kinds
from cellport.runtime.decisions import say, text
from cellport.runtime.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cellport.runtime.sources.source import Text

_EXPRESSION = text("files.expression")
_KINDS_NAMED = 5


def tenx_gene_columns(
    title: str, ids: Text, names: Text, types: Text | None
) -> tuple[dict[str, Text], tuple[str, ...]]:
    """Return the gene columns of 10x features and a note on those that are no genes.

    Features of other types (antibodies, guides, peaks) get the empty name, so that nothing
    can match them.
    """
    notes: tuple[str, ...] = ()
    if types is not None:
        genes, notes = _genes(title, types)
        if not genes.all():
            ids, names = np.where(genes, ids, ""), np.where(genes, names, "")
    return {"index": names, "gene_ids": ids, "gene_names": names}, notes


def _genes(title: str, types: Text) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Tell which features are genes (`feature_kinds`), and what to say of those that are not."""
    counts = Counter(types.tolist())
    kinds = feature_kinds(types.tolist())
    wanted = counts.keys() - kinds.others
    if counts and not wanted:
        listed = ", ".join(sorted(counts)[:_KINDS_NAMED])
        raise InputError(
            say("files.no_expression", title=title, expression=_EXPRESSION, kinds=listed)
        )
    left_out = ", ".join(
        f"{n} {kind.strip() or text('genes.no_kind')}"
        for kind, n in counts.items()
        if kind in kinds.others
    )
    unknown = sorted(kind for kind in wanted - kinds.genes if kind.strip())
    notes = []
    if left_out:
        notes.append(say("files.left_out", features=left_out))
    if unknown:
        listed = ", ".join(unknown[:_KINDS_NAMED])
        notes.append(say("files.types_unknown", title=title, kinds=listed))
    return np.array([kind in wanted for kind in types.tolist()], dtype=bool), tuple(notes)
