"""Match the genes of a query to the gene panel of an atlas, and say how it went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.decisions import number, say, text, whole
from cellport.runtime.errors import InputError
from cellport.runtime.genes.columns import genes_alone, own_genes, trusted_columns
from cellport.runtime.genes.names import FindIn, GeneNames
from cellport.runtime.genes.organism import ORGANISMS, infer_organism
from cellport.runtime.genes.other_organism import (
    ids_of_others,
    refuse_lookalikes,
    refuse_other_organism,
)
from cellport.runtime.genes.panel import Panel
from cellport.runtime.genes.rules import RULES, Places, Rule
from cellport.runtime.genes.tidy import Columns

_MANY_BY_CASE = number("genes.many_by_case")
_HARDLY_ANY = number("genes.hardly_any")
_MINIMUM, _MISSING_NAMED = number("genes.minimum"), whole("genes.missing_named")
_MOSTLY_BY_CASE, _RIGHT_NAMES = number("genes.mostly_by_case"), number("genes.right_names")
_MOST_CONTRADICTING = number("genes.most_contradicting")
_FEWEST_CONTRADICTING = whole("genes.fewest_contradicting")
_BY_CASE = next(i for i, rule in enumerate(RULES) if rule.name == "letter case")
_OF_OTHER_YEARS = next(i for i, rule in enumerate(RULES) if rule.name == "symbol of other years")
_BY_ID = [i for i, rule in enumerate(RULES) if rule.by_id]
# how strict each rule is when columns are joined, with room for the order of these
_RANKS = np.array([1000 * (i + 1) for i in range(len(RULES))])
_NO_RANK = 1000 * (len(RULES) + 2)


@dataclass(frozen=True, slots=True)
class GeneMatch:
    """Which query gene feeds which panel gene."""

    # [n_query_genes], position in the panel (the first, of a gene that comes twice there), -1 for a
    # gene the panel does not use. Query genes with the same position are to be summed
    panel_column: NDArray[np.int32]
    # [n_query_genes], whether it is a gene at all, and of the query's own organism
    is_gene: NDArray[np.bool_]
    measured: NDArray[np.bool_]  # [n_panel], whether the query measured the panel gene
    column: str  # which of the query's gene name columns was used
    # organism that the names of the query point to, None where they do not say
    organism: str | None
    # [n_panel], position in RULES of the rule that matched each gene, len(RULES) for none
    rule: NDArray[np.int8]
    # names of panel genes that several query names could mean, and of all that were not measured
    ambiguous: tuple[str, ...]
    missing: tuple[str, ...]
    warnings: tuple[str, ...]  # what the user should know, one plain sentence each
    # [n_query_genes] object array of str, the names in that column
    names: NDArray[np.object_] = field(default_factory=lambda: np.empty(0, object))

    @property
    def share(self) -> float:
        """Share of the panel's genes that the query has."""
        return float(self.measured.mean()) if len(self.measured) else 0.0

    @property
    def by_rule(self) -> dict[str, int]:
        """Number of panel genes matched by each rule, in the order the rules were tried."""
        return {rule: n for rule, n in _counts_by_rule(self.rule).items() if n}

    @property
    def n_duplicated(self) -> int:
        """Number of query genes that are added to another one of the same gene."""
        return _n_duplicated(self.panel_column)

    def report(self) -> dict[str, Any]:
        """Return the match as JSON-able values, for ``uns["cellport"]["genes"]``."""
        return {
            "column": self.column,
            "organism": self.organism or "unknown",
            "n_panel": len(self.measured),
            "n_query": len(self.panel_column),
            "n_matched": int(self.measured.sum()),
            "share": self.share,
            "by_rule": self.by_rule,
            "n_duplicated": self.n_duplicated,
            "n_ambiguous": len(self.ambiguous),
            "missing": list(self.missing[:_MISSING_NAMED]),
            "warnings": list(self.warnings),
        }


def _counts_by_rule(rules: NDArray[np.int8]) -> dict[str, int]:
    counts = np.bincount(rules, minlength=len(RULES) + 1).tolist()
    return {one.name: count for one, count in zip(RULES, counts[:-1], strict=True)}


def match_genes(
    gene_columns: Mapping[str, NDArray[np.object_]],
    panel: Panel,
    *,
    organism: str | None,
    minimum: float = _MINIMUM,
    any_organism: bool = False,
    source: str = "the query",
) -> GeneMatch:
    """Find the panel's genes among the query's gene names.

    Features of other kinds and genes of other organisms are left out first (`genes_alone`,
    `own_genes`). Every column is tried; the one that holds the most panel genes, the first of
    equals, is joined gene by gene with all that surely name the genes. Within a column, rules run
    from strict to loose, each only for panel genes still unmatched: Ensembl id; Ensembl id
    without version; symbol; letter case; genome prefix (``GRCh38_ACTB``); Ensembl id within a
    name (``ENSG00000075624_ACTB``); names changed by R's ``make.names`` (``HLA.A``, ``X7SK``; only
    where no name of the column holds a hyphen); of human genes, symbols of other years.

    Query genes with identical names are summed, and so are versions and probes of one Ensembl id.
    When different names reach one panel gene, the stricter rule wins and the other gene is left
    out; within one rule the panel gene is ambiguous and nobody gets it. Suffixes of
    ``make.unique`` (``MATR3-1``, ``MATR3.1``) are taken off only where what has the name is no gene
    of this organism: else they mark a second gene of the same symbol and look like real symbols
    (``NKX2-1``).

    Parameters
    ----------
    gene_columns
        Candidate gene names, object arrays of str [n_query_genes] by column name; as `GeneNames`
        where several atlases are to read them.
    organism
        The atlas's organism (``"human"``, ``"mouse"``, ...); None where it is not known.
    minimum
        Refuse the query below this share of panel genes.
    any_organism
        Accept names of another organism, matched by letter case alone.
    source
        The query in words, for messages.

    Raises
    ------
    InputError
        Names of another organism, columns that contradict each other, or too few panel genes.
    """
    wanted = organism if organism in ORGANISMS.values() else _organism_of(panel)
    query = gene_columns if isinstance(gene_columns, GeneNames) else GeneNames(gene_columns)
    find = query.find_in
    listed, untidy = query.tidied(source)
    alone = genes_alone(listed, lambda: panel.symbols, source, find)
    own = own_genes(alone.columns, wanted, panel.symbols, source, find)
    merged, table = _match_by_any_names(own.columns, panel, wanted, source, find)
    match = merged.match
    if wanted and not any_organism:
        if match.n_strict < max(minimum, _MINIMUM) * panel.n_genes:
            refuse_other_organism(own.columns, wanted, source, find)
        refuse_lookalikes([one.names for one in merged.matches], wanted, source, find)
    if not match.n_matched or match.n_matched / panel.n_genes < minimum:
        names = gene_columns.get(match.column, np.empty(0, object)).tolist()
        raise InputError(_too_few(match, names, panel, minimum, source))
    if not any_organism:
        _refuse_other_case(match, panel, source)
    others = ids_of_others(own.columns, wanted, source, find) if wanted else ()
    notes = (*untidy, *alone.notes, *own.notes, *others, *_contradictions(merged, source), *table)
    is_gene = find(_named_rows, own.columns)
    seen = find(infer_organism, match.names)
    return _finish(merged, panel, is_gene, seen, source, notes)


def _named_rows(columns: Columns) -> NDArray[np.bool_]:
    """Whether any column names a row, bool [n_query_genes]."""
    named = [np.array(values, object) != "" for values in columns.values()]
    return np.asarray(np.any(named, axis=0))


def _organism_of(panel: Panel) -> str | None:
    return infer_organism(panel.symbols) or infer_organism(panel.ensembl)


def _refuse_other_case(match: _Match, panel: Panel, source: str) -> None:
    loose = match.by_rule["letter case"]
    if loose <= _MOSTLY_BY_CASE * match.n_matched:
        return
    row = next(row for row, rule in enumerate(match.rule) if rule == _BY_CASE)
    raise InputError(
        say(
            "genes.mostly_other_case",
            genes=loose,
            matched=match.n_matched,
            source=source,
            examples=_examples([match.names[row]]),
            known=_examples([panel.names[match.panel_column[row]]]),
        )
    )


@dataclass(slots=True)
class _Match:
    """The state of matching one column."""

    column: str
    names: list[str]
    panel_column: NDArray[np.int32]
    rule: NDArray[np.int8]  # position of the rule that each name was matched by, -1 for none
    measured: NDArray[np.bool_]
    by_rule: dict[str, int]
    ambiguous: set[int]

    @staticmethod
    def empty(panel: Panel, column: str, names: list[str]) -> _Match:
        return _Match(
            column,
            names,
            np.full(len(names), -1, np.int32),
            np.full(len(names), -1, np.int8),
            np.zeros(panel.n_genes, np.bool_),
            {rule.name: 0 for rule in RULES},
            set(),
        )

    @property
    def n_matched(self) -> int:
        return int(self.measured.sum())

    @property
    def n_strict(self) -> int:
        return self.n_matched - self.by_rule["letter case"]


@dataclass(frozen=True, slots=True)
class _Merged:
    """Columns joined gene by gene."""

    match: _Match  # under the name of the best column, with its names
    matches: list[_Match]  # of each column, the best first
    gene_rule: NDArray[np.int8]  # as `GeneMatch.rule`
    contradicted: NDArray[np.bool_]  # whether two columns name two genes of the panel
    n_both: int  # query genes that two columns name genes of the panel


def _match_by_any_names(
    columns: Columns, panel: Panel, organism: str | None, source: str, find: FindIn
) -> tuple[_Merged, tuple[str, ...]]:
    """Match by the panel's own names, or by all where hardly any of those are found.

    Symbols of other years are found by a table as other names are, and say nothing of how a query
    calls its genes.
    """
    merged = _match_columns(columns, panel, organism, find)
    own = merged.match.n_matched - merged.match.by_rule["symbol of other years"]
    both = panel.named_both_ways if own < _HARDLY_ANY * panel.n_genes else None
    if both is None:
        return merged, ()
    again = _match_columns(columns, both, organism, find)
    match = again.match
    if match.n_matched <= merged.match.n_matched:
        return merged, ()
    row = int(np.argmax(match.panel_column >= 0))
    name, known = match.names[row], panel.names[match.panel_column[row]]
    said = {"source": source, "genes": match.n_matched, "name": name, "known": known}
    return again, (say("genes.by_other_names", **said),)


def _match_columns(columns: Columns, panel: Panel, organism: str | None, find: FindIn) -> _Merged:
    """Match each column, and join the best and all that surely name the genes."""
    trusted = trusted_columns(columns, find)
    best = _Match.empty(panel, *next(iter(columns.items()), ("index", [])))
    matches = {}
    for column, names in columns.items():
        # A column cannot match more panel genes than there are, nor than it has distinct names.
        possible = min(panel.n_genes, find(_n_distinct, names))
        if possible > best.n_matched or (column in trusted and possible > 1):
            matches[column] = match = _match_column(column, names, panel, organism, find)
            best = match if match.n_matched > best.n_matched else best
    others = [matches[column] for column in trusted if column in matches]
    return _merged([best, *(match for match in others if match is not best)], panel)


def _merged(matches: list[_Match], panel: Panel) -> _Merged:
    """Join columns: for each name the strictest rule of any, then for each panel gene.

    An Ensembl id counts most, whichever column it is in. Of names by one rule, those of the
    first column count. A gene that the first column finds too is told by its rule there.
    """
    best = matches[0]
    n = len(best.names)
    gene, rule = np.full(n, -1, np.int32), np.full(n, -1, np.int8)
    rank, said = np.full(n, _NO_RANK), np.zeros(n, np.int8)
    contradicted = np.zeros(n, np.bool_)
    for order, match in enumerate(matches):
        claims = np.where(match.rule >= 0, _RANKS[match.rule] + order, _NO_RANK)
        claims[np.isin(match.rule, _BY_ID)] = 0
        has = match.panel_column >= 0
        contradicted |= has & (gene >= 0) & (gene != match.panel_column)
        said += has
        better = claims < rank
        gene[better], rule[better] = match.panel_column[better], match.rule[better]
        rank[better] = claims[better]
    strictest = np.full(panel.n_genes + 1, _NO_RANK)
    np.minimum.at(strictest, gene, rank)
    gene[rank > strictest[gene]] = -1
    rule[gene < 0] = -1
    measured = np.zeros(panel.n_genes, np.bool_)
    measured[gene[gene >= 0]] = True
    first_rule = np.full(panel.n_genes + 1, len(RULES))
    own = (best.panel_column == gene) & (best.rule != _BY_CASE)
    np.minimum.at(first_rule, gene, np.where(own, best.rule, rule))
    # what is known of a gene is known of its other places in the panel too
    measured, first_rule = measured[panel.representative], first_rule[panel.representative]
    gene_rule = np.where(measured, first_rule, len(RULES)).astype(np.int8)
    by_rule = _counts_by_rule(gene_rule)
    ambiguous = set().union(*(match.ambiguous for match in matches))
    match = _Match(best.column, best.names, gene, rule, measured, by_rule, ambiguous)
    return _Merged(match, matches, gene_rule, contradicted, int((said > 1).sum()))


def _contradictions(merged: _Merged, source: str) -> tuple[str, ...]:
    """Say where columns name different genes, and refuse where they do nearly everywhere."""
    n = int(merged.contradicted.sum())
    if not n:
        return ()
    row = int(np.argmax(merged.contradicted))
    one, other = _two_sides(merged.matches, row)
    example = say(
        "genes.contradiction",
        one=one.names[row],
        column=one.column,
        other=other.names[row],
        second=other.column,
    )
    said = {"genes": n, "both": merged.n_both, "source": source, "example": example}
    if n >= _FEWEST_CONTRADICTING and n > _MOST_CONTRADICTING * merged.n_both:
        raise InputError(say("genes.shuffled", **said))
    return (say("genes.contradicted", **said),)


def _two_sides(matches: list[_Match], row: int) -> tuple[_Match, _Match]:
    having = [match for match in matches if match.panel_column[row] >= 0]
    one = having[0]
    return one, next(m for m in having if m.panel_column[row] != one.panel_column[row])


def _n_distinct(names: list[str]) -> int:
    return len(set(names))


def _match_column(
    column: str, names: list[str], panel: Panel, organism: str | None, find: FindIn
) -> _Match:
    match = _Match.empty(panel, column, names)
    for number_of_rule, rule in enumerate(RULES):
        if match.measured.all():
            break
        if rule.organism not in (None, organism):
            continue
        if panel.exact and not rule.exact and match.n_matched >= _HARDLY_ANY * panel.n_genes:
            break
        places = find(rule.places, names)
        # most rules find nothing in most queries, which is quickly seen
        if not _finds_any(panel, match.measured, rule, places):
            continue
        rows, genes = _claims(match, places, _positions(panel, match.measured, rule))
        if not rule.same_gene:
            unsure = _of_several_names(names, rows, genes)
            match.ambiguous |= unsure
            clear = ~np.isin(genes, list(unsure))
            rows, genes = rows[clear], genes[clear]
        match.panel_column[rows] = genes
        match.rule[rows] = number_of_rule
        match.measured[genes] = True
        match.by_rule[rule.name] += len(set(genes.tolist()))
    return match


def _claims(
    match: _Match, places: Places, positions: dict[str, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of the query that have no gene yet, and the panel genes that they claim."""
    rows, genes = np.array(places.claims(positions), np.int64).reshape(-1, 2).T
    free = match.panel_column[rows] < 0
    return rows[free], genes[free]


def _of_several_names(
    names: list[str], rows: NDArray[np.int64], genes: NDArray[np.int64]
) -> set[int]:
    """Panel genes that rows of different names claim."""
    found, times = np.unique(genes, return_counts=True)
    several = found[times > 1].tolist()
    return {gene for gene in several if len({names[row] for row in rows[genes == gene]}) > 1}


def _keys(panel: Panel, genes: list[int], rule: Rule) -> list[list[str]]:
    """Keys of some panel genes, one list or two."""
    return rule.panel_keys(
        [panel.symbols[gene] for gene in genes], [panel.ensembl[gene] for gene in genes]
    )


def _finds_any(panel: Panel, measured: NDArray[np.bool_], rule: Rule, places: Places) -> bool:
    """Whether the query has a key of a panel gene that is still unmatched."""
    if not places.first:
        return False
    lists = _keys(panel, np.flatnonzero(~measured).tolist(), rule)
    return any(not places.first.keys().isdisjoint(filter(None, keys)) for keys in lists)


def _positions(panel: Panel, measured: NDArray[np.bool_], rule: Rule) -> dict[str, int]:
    """Map the keys of the panel genes still unmatched to their positions, each key unique."""
    genes = panel.distinct
    lists = _keys(panel, genes, rule)
    # Genes already matched hold their key too: a loose name of theirs is nobody else's.
    positions = dict(zip(lists[0], genes, strict=True))
    shared = {""}
    if len(positions) < len(genes) or len(lists) > 1:
        positions, shared = _first_of_each(lists, genes)
    free = (~measured).tolist()
    return {key: gene for key, gene in positions.items() if key not in shared and free[gene]}


def _first_of_each(lists: list[list[str]], genes: list[int]) -> tuple[dict[str, int], set[str]]:
    """Map keys to the first gene that has each, and name those that several genes have."""
    positions: dict[str, int] = {}
    shared = {""}
    for keys in lists:
        for gene, key in zip(genes, keys, strict=True):
            if positions.setdefault(key, gene) != gene:
                shared.add(key)
    return positions, shared


def _finish(
    merged: _Merged,
    panel: Panel,
    is_gene: NDArray[np.bool_],
    seen: str | None,
    source: str,
    notes: tuple[str, ...],
) -> GeneMatch:
    match = merged.match
    names = panel.names
    ambiguous = [names[gene] for gene in sorted(match.ambiguous) if not match.measured[gene]]
    n_duplicated = _n_duplicated(match.panel_column)
    loose = match.by_rule["letter case"]
    warnings = [*notes]
    if loose > _MANY_BY_CASE * match.n_matched:
        warnings.append(say("genes.by_case", genes=loose, source=source))
    if ambiguous:
        few = _examples(ambiguous)
        warnings.append(say("genes.ambiguous", genes=len(ambiguous), examples=few, source=source))
    if renamed := match.by_rule["symbol of other years"]:
        row = int(np.argmax(match.rule == _OF_OTHER_YEARS))
        old, new = match.names[row], names[match.panel_column[row]]
        warnings.append(say("genes.renamed", genes=renamed, source=source, old=old, new=new))
    if n_duplicated:
        warnings.append(say("genes.repeated", genes=n_duplicated, source=source))
    return GeneMatch(
        panel_column=match.panel_column,
        is_gene=is_gene,
        measured=match.measured,
        column=match.column,
        organism=seen,
        rule=merged.gene_rule,
        ambiguous=tuple(ambiguous),
        missing=tuple(names[~match.measured].tolist()),
        warnings=tuple(warnings),
        names=np.array(match.names, object),
    )


def _n_duplicated(panel_column: NDArray[np.int32]) -> int:
    used = panel_column[panel_column >= 0]
    return len(used) - len(set(used.tolist()))


def _too_few(match: _Match, names: Sequence[str], panel: Panel, minimum: float, source: str) -> str:
    by_rule = [say("genes.by_rule", genes=n, rule=rule) for rule, n in match.by_rule.items() if n]
    n_names = len(set(match.names))
    if match.n_strict > max(_RIGHT_NAMES * n_names, 1):
        lower = int(100 * (match.n_matched / panel.n_genes)) / 100
        advice = say("genes.small_panel", lower=f"{lower:g}")
    else:
        advice = _wrong_names(names, panel)
    return say(
        "genes.too_few",
        matched=match.n_matched,
        panel=panel.n_genes,
        source=source,
        rules=say("genes.rules", rules=", ".join(by_rule), column=match.column) if by_rule else "",
        needed=say("genes.needed", minimum=f"{100 * minimum:g}%") if minimum else "",
        advice=advice,
    )


def _wrong_names(names: Sequence[str], panel: Panel) -> str:
    wanted = _examples([name for name in panel.symbols if name])
    ids = _examples([name for name in panel.ensembl if name], 1)
    return say(
        "genes.wrong_names",
        examples=_examples(names) or text("genes.no_examples"),
        known=" or ".join(part for part in (wanted, ids) if part),
    )


def _examples(names: Sequence[str], n: int = 3) -> str:
    return ", ".join(f"'{name}'" for name in names[:n])
