"""Genes of another organism than the atlas's: refused, or said where they match all the same."""

from __future__ import annotations

from collections.abc import Sequence

from cellport.runtime.decisions import say
from cellport.runtime.errors import InputError
from cellport.runtime.genes.columns import holds_ids
from cellport.runtime.genes.names import FindIn
from cellport.runtime.genes.organism import in_capitals, infer_organism, named_by_ids
from cellport.runtime.genes.tidy import Columns

_EXAMPLES = 3


def refuse_other_organism(columns: Columns, organism: str, source: str, find: FindIn) -> None:
    """Refuse a query of which a column looks like another organism's genes."""
    for names in columns.values():
        seen = find(infer_organism, names)
        if seen and seen != organism:
            like = _examples([name for name in names if name])
            said = {"source": source, "seen": seen, "examples": like, "organism": organism}
            raise InputError(say("genes.other_organism", **said))


def refuse_lookalikes(
    matched: Sequence[list[str]], organism: str, source: str, find: FindIn
) -> None:
    """Refuse columns that match by names of another organism that look like this one's.

    They are in capital letters, as chicken's always are, or ids of its genes stand among them.
    """
    for names in matched:
        for why, found in (
            ("genes.in_capitals", find(in_capitals, names)),
            (
                "genes.named_by_ids",
                None if find(holds_ids, names) else find(named_by_ids, names),
            ),
        ):
            if found and found[0] != organism:
                said = {"source": source, "seen": found[0], "examples": _examples(found[1])}
                raise InputError(say(why, **said, organism=organism))


def ids_of_others(columns: Columns, organism: str, source: str, find: FindIn) -> tuple[str, ...]:
    """Say that ids are of another organism, while names match the atlas."""
    for column, values in columns.items():
        seen = find(infer_organism, values) if find(holds_ids, values) else organism
        if seen and seen != organism:
            said = {"source": source, "column": column, "seen": seen, "organism": organism}
            example = next(value for value in values if value.startswith("ENS"))
            return (say("genes.ids_of_others", **said, example=example),)
    return ()


def _examples(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names[:_EXAMPLES])
