"""Match the genes of a query to the gene panel of an atlas, and say how it went."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.decisions import number, say, text, whole
from cellport.runtime.errors import InputError
from cellport.runtime.genes.organism import ORGANISMS, infer_organism
from cellport.runtime.genes.panel import Panel
from cellport.runtime.genes.rules import RULES

_MANY_BY_CASE = number("genes.many_by_case")
_MINIMUM, _MISSING_NAMED = number("genes.minimum"), whole("genes.missing_named")


@dataclass(frozen=True, slots=True)
class GeneMatch:
    """Which query gene feeds which panel gene."""

    # [n_query_genes], position in the panel, -1 for a gene the panel does not use. Query genes with
    # the same position are to be summed
    panel_column: NDArray[np.int32]
    measured: NDArray[np.bool_]  # [n_panel], whether the query has the panel gene
    column: str  # which of the query's gene name columns was used
    # organism that the names of the query point to, None where they do not say
    organism: str | None
    # number of panel genes matched by each rule, in the order the rules were tried
    by_rule: dict[str, int]
    n_duplicated: int  # query genes that are added to another one of the same gene
    # names of panel genes that several query names could mean, and of all genes not matched
    ambiguous: tuple[str, ...]
    missing: tuple[str, ...]
    warnings: tuple[str, ...]  # what the user should know, one plain sentence each

    @property
    def share(self) -> float:
        """Share of the panel's genes that the query has."""
        return float(self.measured.mean()) if len(self.measured) else 0.0

    def report(self) -> dict[str, Any]:
        """Return the match as JSON-able values, for ``uns["cellport"]["genes"]``."""
        return {
            "column": self.column,
            "organism": self.organism or "unknown",
            "n_panel": len(self.measured),
            "n_query": len(self.panel_column),
            "n_matched": int(self.measured.sum()),
            "share": self.share,
            "by_rule": dict(self.by_rule),
            "n_duplicated": self.n_duplicated,
            "n_ambiguous": len(self.ambiguous),
            "missing": list(self.missing[:_MISSING_NAMED]),
            "warnings": list(self.warnings),
        }


def match_genes(
    gene_columns: Mapping[str, NDArray[np.object_]],
    panel: Panel,
    *,
    organism: str | None,
    minimum: float = _MINIMUM,
    warn_below: float = 0.6,
    any_organism: bool = False,
    source: str = "the query",
) -> GeneMatch:
    """Find the panel's genes among the query's gene names.

    Every column is tried and the one that holds the most panel genes is used; the first of
    equals. Within a column, rules run from strict to loose, each only for panel genes still
    unmatched: symbol; Ensembl id; Ensembl id without version; letter case; genome prefix
    (``GRCh38_ACTB``); Ensembl id within a name (``ENSG00000075624_ACTB``); names changed by R's
    ``make.names`` (``HLA.A``, ``X7SK``; only where no name of the column holds a hyphen).

    Query genes with identical names are summed, and so are versions of one Ensembl id. When
    different names reach one panel gene, the stricter rule wins and the other gene is left out;
    within one rule the panel gene is ambiguous and nobody gets it. Suffixes of ``make.unique``
    (``MATR3-1``, ``MATR3.1``) are not taken off: they mark a second gene of the same symbol and
    look like real symbols (``NKX2-1``).

    Parameters
    ----------
    gene_columns
        Candidate gene names, object arrays of str [n_query_genes] by column name.
    organism
        The atlas's organism (``"human"``, ``"mouse"``, ...); None where it is not known.
    minimum
        Refuse the query below this share of panel genes.
    warn_below
        Warn below this share.
    any_organism
        Accept names of another organism, matched by letter case alone.
    source
        The query in words, for messages.

    Raises
    ------
    InputError
        Names of another organism, or too few panel genes found.
    """
    best = _Match.empty(panel, *next(iter(gene_columns.items()), ("index", np.empty(0, object))))
    for column, values in gene_columns.items():
        names: list[str] = values.tolist()
        # A column cannot match more panel genes than there are, nor than it has distinct names.
        if min(panel.n_genes, len(set(names))) > best.n_matched:
            match = _match_column(column, names, panel)
            best = match if match.n_matched > best.n_matched else best

    seen = infer_organism(best.names)
    if not any_organism and best.n_strict < minimum * panel.n_genes:
        _refuse_other_organism(gene_columns, panel, organism, source)
    if best.n_matched < max(minimum * panel.n_genes, 1):
        raise InputError(_too_few(best, panel, minimum, source))
    return _finish(best, panel, seen, warn_below, source)


def _refuse_other_organism(
    gene_columns: Mapping[str, NDArray[np.object_]],
    panel: Panel,
    organism: str | None,
    source: str,
) -> None:
    if organism not in ORGANISMS.values():
        organism = infer_organism(panel.symbols) or infer_organism(panel.ensembl)
    for names in gene_columns.values():
        seen = infer_organism(names)
        if organism and seen and seen != organism:
            like = _examples(names.tolist())
            raise InputError(
                say(
                    "genes.other_organism",
                    source=source,
                    seen=seen,
                    examples=like,
                    organism=organism,
                )
            )


@dataclass(slots=True)
class _Match:
    """The state of matching one column."""

    column: str
    names: Sequence[str]
    panel_column: NDArray[np.int32]
    measured: NDArray[np.bool_]
    by_rule: dict[str, int]
    ambiguous: set[int]

    @staticmethod
    def empty(panel: Panel, column: str, names: Sequence[str] | NDArray[np.object_]) -> _Match:
        return _Match(
            column,
            list(names),
            np.full(len(names), -1, np.int32),
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


def _match_column(column: str, names: list[str], panel: Panel) -> _Match:
    match = _Match.empty(panel, column, names)
    for rule in RULES:
        if match.measured.all():
            break
        positions = _positions(panel, match.measured, rule.panel_keys)
        keys = rule.query_keys(names)
        claims: defaultdict[int, list[int]] = defaultdict(list)
        found = [(i, positions[key]) for i, key in enumerate(keys) if key in positions]
        for query_gene, gene in found:
            if match.panel_column[query_gene] < 0:
                claims[gene].append(query_gene)
        for gene, claimants in claims.items():
            if not rule.same_gene and len({names[claimant] for claimant in claimants}) > 1:
                match.ambiguous.add(gene)
                continue
            match.panel_column[claimants] = gene
            match.measured[gene] = True
            match.by_rule[rule.name] += 1
    return match


def _positions(
    panel: Panel, measured: NDArray[np.bool_], panel_keys: Callable[[str, str], list[str]]
) -> dict[str | None, int]:
    """Map the keys of the panel genes still unmatched to their positions, each key unique."""
    positions: dict[str | None, int] = {}
    shared = set()
    for gene in range(panel.n_genes):
        for key in set(panel_keys(panel.symbols[gene], panel.ensembl[gene])) - {""}:
            if key in positions:
                shared.add(key)
            # Genes already matched hold their key too: a loose name of theirs is nobody else's.
            positions[key] = gene
    return {
        key: gene for key, gene in positions.items() if key not in shared and not measured[gene]
    }


def _finish(
    match: _Match, panel: Panel, seen: str | None, warn_below: float, source: str
) -> GeneMatch:
    n_panel, n_matched = panel.n_genes, match.n_matched
    names = panel.names
    ambiguous = [names[gene] for gene in sorted(match.ambiguous) if not match.measured[gene]]
    n_duplicated = int((match.panel_column >= 0).sum()) - n_matched
    loose = match.by_rule["letter case"]
    warnings = []
    if n_matched < warn_below * n_panel:
        counts = {"matched": n_matched, "panel": n_panel, "share": n_matched / n_panel}
        warnings.append(say("genes.few", **counts, enough=warn_below, source=source))
    if loose > _MANY_BY_CASE * n_matched:
        warnings.append(say("genes.by_case", genes=loose, source=source))
    if ambiguous:
        few = _examples(ambiguous)
        warnings.append(say("genes.ambiguous", genes=len(ambiguous), examples=few, source=source))
    if n_duplicated:
        warnings.append(say("genes.repeated", genes=n_duplicated, source=source))
    return GeneMatch(
        panel_column=match.panel_column,
        measured=match.measured,
        column=match.column,
        organism=seen,
        by_rule={rule: n for rule, n in match.by_rule.items() if n},
        n_duplicated=n_duplicated,
        ambiguous=tuple(ambiguous),
        missing=tuple(names[~match.measured].tolist()),
        warnings=tuple(warnings),
    )


def _too_few(match: _Match, panel: Panel, minimum: float, source: str) -> str:
    by_rule = [say("genes.by_rule", genes=n, rule=rule) for rule, n in match.by_rule.items() if n]
    rules = say("genes.rules", rules=", ".join(by_rule), column=match.column) if by_rule else ""
    wanted = _examples([name for name in panel.symbols if name])
    ids = _examples([name for name in panel.ensembl if name], 1)
    return say(
        "genes.too_few",
        matched=match.n_matched,
        panel=panel.n_genes,
        source=source,
        rules=rules,
        minimum=minimum,
        examples=_examples(match.names) or text("genes.no_examples"),
        known=" or ".join(part for part in (wanted, ids) if part),
    )


def _examples(names: Sequence[str], n: int = 3) -> str:
    return ", ".join(f"'{name}'" for name in names[:n])
