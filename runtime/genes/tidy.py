"""Names of genes without what programs leave around them: spaces, quotes, RNA, chromosomes."""

from __future__ import annotations

import re

from cellport.runtime.decisions import number, say, text

Columns = dict[str, list[str]]

_AROUND = re.compile(text("genes.untidy_name"))
_OF_RNA = text("genes.modality_prefix")
_PREFIX = re.compile(f"^{_OF_RNA}", re.IGNORECASE)
# what such names begin or end with; few columns have any
_UNTIDY = re.compile("\n(?:[ \t\r\"']|b[\"'])|[ \t\r\"']\n")
_PLACE = re.compile(text("genes.place_behind"), re.IGNORECASE)
_PREFIXED = re.compile(f"\n{_OF_RNA}", re.IGNORECASE)
_MOSTLY = number("genes.mostly_ids")


def tidied(columns: Columns, source: str) -> tuple[Columns, tuple[str, ...]]:
    """Return the columns with bare names, and a note where they were not."""
    kept = {name: _bare(values) for name, values in columns.items()}
    for name, values in columns.items():
        if kept[name] is not values:
            changed = [pair for pair in zip(values, kept[name], strict=True) if pair[0] != pair[1]]
            old, new = changed[0]
            said = {"genes": len(changed), "source": source, "old": old, "new": new}
            return kept, (say("genes.tidied", **said),)
    return kept, ()


def _bare(values: list[str]) -> list[str]:
    """Return names without what stands around them, the very list where nothing does."""
    joined = "\n" + "\n".join(values) + "\n"
    bare = values
    if _UNTIDY.search(joined):
        found = (_AROUND.fullmatch(value) for value in values)
        pairs = zip(values, found, strict=True)
        bare = [(one[2] or one[3] or "") if one else value for value, one in pairs]
    filled = sum(1 for value in bare if value)
    prefixed = len(_PREFIXED.findall("\n" + "\n".join(bare)))
    if prefixed and prefixed > _MOSTLY * filled:
        bare = [_PREFIX.sub("", value) for value in bare]
    placed = sum(1 for value in bare if _PLACE.search(value)) if "__chr" in joined.lower() else 0
    if placed > _MOSTLY * filled:
        bare = [_PLACE.sub("", value) for value in bare]
    return bare if bare != values else values
