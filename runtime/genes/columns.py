"""The columns that name genes: which to trust, and which rows of them are no genes of the atlas."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from cellport.runtime.base.feature_kinds import feature_kinds, plain
from cellport.runtime.decisions import number, say, text, texts, whole
from cellport.runtime.errors import InputError
from cellport.runtime.genes.antibodies import antibody_rows
from cellport.runtime.genes.names import FindIn, find_in
from cellport.runtime.genes.organism import genome_organism, name_organism, organisms_in
from cellport.runtime.genes.rules import GENOME_PREFIX
from cellport.runtime.genes.tidy import Columns

_NAME_COLUMNS = frozenset(texts("genes.name_columns"))
_KIND_COLUMNS = frozenset(name.replace("_", "") for name in texts("genes.kind_columns"))
_CLEAR_KINDS = frozenset(texts("genes.clear_kinds"))
_NO_GENE_NAME = re.compile(text("genes.no_gene_name"), re.IGNORECASE)
# in each such name without "_" and ":"; where a column lacks them all, few names are looked at
_MARKS = ("-total", ".total", "\nhash", "\nhto", "\ncmo", "\nadt-")
_MARKED = re.compile("-(?:[acgt]{15}|[0-9]{3,}-[0-9]|sg(?:rna)?[-_]?[0-9])")
_MADE_UNIQUE = re.compile(text("genes.made_unique"))
_ENSEMBL_ID = re.compile(text("genes.ensembl_id"))
_MOST_GENOMES, _MOSTLY_IDS = whole("genes.most_genomes"), number("genes.mostly_ids")
_EXPRESSION = text("files.expression")


@dataclass(frozen=True, slots=True)
class GenesAlone:
    """Names of genes by column, ``""`` for whatever is none, and what was left out in words."""

    columns: Columns
    notes: tuple[str, ...]


def genes_alone(
    columns: Columns,
    symbols: Callable[[], Collection[str]],
    source: str,
    find: FindIn = find_in,
) -> GenesAlone:
    """Take the names from features of other kinds: antibodies, tags, guides, regions.

    A column of kinds tells them (``feature_types``, ``modality``, ...), or their own name does
    (``CD4_TotalSeqB``, ``chr1:123-456``), or that it comes twice (`antibody_rows`). A gene whose
    name was made unique because one of them has it (``CD4-1``) gets it back, where the name is one
    of `symbols`, asked for when needed.

    Raises
    ------
    InputError
        All features are of other kinds, or nothing tells which are.
    """
    kinds = find(_kinds_of_others, columns, source)
    if not any(kinds):
        return GenesAlone(columns, ())
    left_out = Counter(kind for kind in kinds if kind)
    if all(kinds):
        listed = ", ".join(sorted(left_out)[:5])
        raise InputError(
            say("files.no_expression", title=source, expression=_EXPRESSION, kinds=listed)
        )
    listed = ", ".join(f"{count} {kind}" for kind, count in left_out.items())
    note = say("files.left_out", features=listed)
    panel = frozenset(symbols())
    kept = {name: _without(values, kinds, panel) for name, values in columns.items()}
    return GenesAlone(kept, (note,))


def _kinds_of_others(columns: Columns, source: str) -> list[str]:
    """Return the kind of each row that is no gene, ``""`` for a gene."""
    n = len(next(iter(columns.values()), ()))
    kinds = [""] * n
    for name, values in columns.items():
        for row in _other_kinds(name, values):
            kinds[row] = kinds[row] or values[row] or text("genes.no_kind")
    told = [values for name, values in columns.items() if _names_genes(name)]
    for values in told:
        for row in _telling_rows(values):
            kinds[row] = kinds[row] or text("genes.told_by_name")
    ids = next((values for values in columns.values() if holds_ids(values)), None)
    with_id = None if ids is None else [value.startswith("ENS") for value in ids]
    for values in told:
        left = [value if not kind else "" for value, kind in zip(values, kinds, strict=True)]
        for row in antibody_rows(left, with_id, source):
            kinds[row] = kinds[row] or text("genes.told_twice")
    return kinds


def _other_kinds(name: str, values: list[str]) -> list[int]:
    """Return the rows that a column of kinds says are no genes."""
    distinct = set(values) - {""}
    if not distinct or len(distinct) > _MOST_GENOMES:
        return []
    kinds = feature_kinds(values)
    if plain(name).replace(" ", "") not in _KIND_COLUMNS:
        clear = any(plain(value) in _CLEAR_KINDS for value in distinct)
        if not (kinds.known and clear and kinds.genes):
            return []
    return [row for row, value in enumerate(values) if value in kinds.others]


def _telling_rows(values: list[str]) -> list[int]:
    joined = "\n" + "\n".join(values).lower()
    marked = any(word in joined for word in _MARKS) or _MARKED.search(joined)
    return [
        row
        for row, value in enumerate(values)
        if (marked or "_" in value or ":" in value) and _NO_GENE_NAME.fullmatch(value)
    ]


def _without(values: list[str], others: Sequence[str | bool], panel: frozenset[str]) -> list[str]:
    """Blank the rows of others, and give genes the names that these had taken."""
    kept = ["" if other else value for value, other in zip(values, others, strict=True)]
    taken = {value for value, other in zip(values, others, strict=True) if other} & panel
    taken -= set(kept)
    if not taken:
        return kept

    def restored(name: str) -> str:
        found = None if name in panel else _MADE_UNIQUE.fullmatch(name)
        return found[1] if found and found[1] in taken else name

    return [restored(name) for name in kept]


def own_genes(
    columns: Columns,
    organism: str | None,
    symbols: Collection[str],
    source: str,
    find: FindIn = find_in,
) -> GenesAlone:
    """Take the names from genes of other organisms, where a query mixes its own with theirs.

    A prefix (``mm10_Actb``), an Ensembl id, or a column of genomes tells them. Names that were
    made unique beside theirs are given back as by `genes_alone`. A query of another organism alone
    keeps its names: whether to map it is for others to say.
    """
    foreign: set[int] = set()
    for values in columns.values() if organism else ():
        foreign |= find(_foreign_rows, values, organism)
    if not foreign:
        return GenesAlone(columns, ())
    n = len(next(iter(columns.values())))
    marked, panel = [row in foreign for row in range(n)], frozenset(symbols)
    kept = {name: _without(values, marked, panel) for name, values in columns.items()}
    return GenesAlone(kept, (say("genes.foreign", genes=len(foreign), source=source),))


def _foreign_rows(values: list[str], organism: str | None) -> set[int]:
    """Return the rows of a column that are of another organism.

    None where no row is surely of this one, unless prefixes stand before some names only: the
    symbols of a query may have been translated, and its ids not.
    """
    distinct = list(set(values) - {""})
    few = len(distinct) <= _MOST_GENOMES
    if not few and organisms_in(distinct) <= {organism}:
        return set()
    said = {value: name_organism(value) for value in distinct}
    if few:
        said = {value: seen or genome_organism(value) for value, seen in said.items()}
    others = {value for value, seen in said.items() if seen and seen != organism}
    if organism not in said.values():
        others = {value for value in others if GENOME_PREFIX.match(value)}
        others = others if len(others) < len(distinct) else set()
    return {row for row, value in enumerate(values) if value in others} if others else set()


def trusted_columns(columns: Columns, find: FindIn = find_in) -> list[str]:
    """Return the columns that surely name the gene itself, and not its neighbour or ortholog."""
    return [
        name for name, values in columns.items() if _names_genes(name) or find(holds_ids, values)
    ]


def _names_genes(name: str) -> bool:
    return name.lower().partition(" (")[0] in _NAME_COLUMNS


def holds_ids(values: list[str]) -> bool:
    """Tell whether a column is of Ensembl ids for the most part."""
    n_ids = sum(_ENSEMBL_ID.match(value) is not None for value in values if value[:3] == "ENS")
    return n_ids > _MOSTLY_IDS * sum(1 for value in values if value)
