"""Which terms the labels of an atlas are, and the groups above them."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cellport.runtime.decisions import say
from cellport.runtime.errors import InputError
from cellport.runtime.ontology.terms import Ontology, plain

_COMMON = Path(__file__).parent / "data" / "common_labels.tsv"
# labels and terms named in a sentence
_NAMED = 8
# share of an atlas's labels that have to have a term before short common names count: clusters
# called A, B and C are no B cells
_MOSTLY = 0.5


@dataclass(frozen=True, slots=True)
class Term:
    """A term, and what it is called."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class LabelTerms:
    """Terms of labels and groups."""

    terms: dict[str, Term]  # by label or group, of those that have one
    notes: tuple[str, ...]  # what the user should know, a sentence each


@cache
def common_labels() -> dict[str, str]:
    """Terms of labels that many use and no ontology has, by their `plain` names."""
    lines = _COMMON.read_text(encoding="utf-8").splitlines()
    return {plain(name): term for name, term in (line.split("\t") for line in lines)}


def read_crosswalk(path: str | os.PathLike[str]) -> dict[str, str]:
    """Read a table of labels and terms: the first two columns of a CSV or TSV, with a header.

    Raises
    ------
    InputError
        It cannot be read, or a line has no second column.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The crosswalk {path} cannot be read ({error}).") from None
    separator = "\t" if "\t" in text.partition("\n")[0] else ","
    rows = list(csv.reader(text.splitlines(), delimiter=separator))
    if len(rows) < 2 or any(len(row) < 2 for row in rows if row):
        raise InputError(say("ontology.bad_crosswalk", file=path))
    return {row[0].strip(): row[1].strip() for row in rows[1:] if row}


def label_terms(
    labels: Sequence[str],
    parents: Mapping[str, str],
    ontology: Ontology,
    stated: Mapping[str, str],
    crosswalk: Mapping[str, str],
    source: str = "",
) -> LabelTerms:
    """Find the term of each label, and of each group of labels.

    A crosswalk goes before what the atlas states, and that before names: those of the ontology, its
    exact synonyms and common short ones. A label of several names (``basophil/mast``), and a group
    without a term of its own, is the narrowest that all its parts are. Obsolete terms give way to
    their successors.

    Parameters
    ----------
    labels, parents
        Of the atlas.
    stated, crosswalk
        Terms by label or group.
    source
        File of the crosswalk, for messages.

    Raises
    ------
    InputError
        The crosswalk names no label of the atlas, or a term that the ontology does not have.
    """
    groups = _groups(labels, parents)
    if crosswalk and not {*labels, *groups} & {*crosswalk}:
        said = {"file": source, "first": next(iter(crosswalk)), "labels": _listed(labels)}
        raise InputError(say("ontology.no_label", **said))
    given = {**stated, **crosswalk}
    replaced: list[str] = []
    found = {
        node: _current(node, given[node], ontology, replaced)
        for node in (*labels, *groups)
        if given.get(node)
    }
    by_name = {label: _by_name(label, ontology) for label in labels if label not in found}
    known = len(found.keys() & set(labels)) + sum(bool(term) for term in by_name.values())
    if known > _MOSTLY * len(labels):
        found |= {label: term for label, term in by_name.items() if term}
    else:
        exact = {label: ontology.by_name.get(plain(label), "") for label in by_name}
        found |= {label: term for label, term in exact.items() if term}
    for group, below in groups.items():
        of_labels = [found.get(label, "") for label in below]
        if group not in found and all(of_labels):
            found[group] = _above(group, of_labels, ontology)
    terms = {node: Term(one, ontology.names[one]) for node, one in found.items() if one}
    missing = [node for node in (*labels, *groups) if node not in terms]
    notes = []
    if replaced:
        notes.append(say("ontology.replaced", terms="; ".join(dict.fromkeys(replaced))))
    if missing:
        notes.append(say("ontology.unmapped", labels=_listed(missing), n=len(missing)))
    return LabelTerms(terms, tuple(notes))


def _groups(labels: Sequence[str], parents: Mapping[str, str]) -> dict[str, list[str]]:
    """Labels below each group of the tree."""
    groups: dict[str, list[str]] = {}
    for label in labels:
        above = parents.get(label)
        while above is not None:
            if above not in labels:
                groups.setdefault(above, []).append(label)
            above = parents.get(above)
    return groups


def _current(node: str, term: str, ontology: Ontology, replaced: list[str]) -> str:
    now = ontology.current(term)
    if not now and term in ontology.names:
        raise InputError(say("ontology.obsolete", label=node, term=term))
    if not now:
        raise InputError(say("ontology.unknown_term", label=node, term=term))
    if now != term:
        replaced.append(f"{term} by {now} ({ontology.names[now]})")
    return now


def _by_name(label: str, ontology: Ontology) -> str:
    """Term that a label is called as, or the narrowest that all names in it are kinds of."""
    whole = _of_name(label, ontology)
    parts = [_of_name(part, ontology) for part in label.split("/")]
    if whole or len(parts) == 1 or not all(parts):
        return whole
    return ontology.common_ancestor(parts)


def _above(group: str, terms: Sequence[str], ontology: Ontology) -> str:
    """Term that a group is called as, where its labels are kinds of that, or their narrowest."""
    called = _of_name(group, ontology)
    if called and all(called in ontology.ancestors(term) for term in terms):
        return called
    return ontology.common_ancestor(terms)


def _of_name(name: str, ontology: Ontology) -> str:
    found = ontology.by_name.get(plain(name)) or common_labels().get(plain(name), "")
    return ontology.current(found) if found else ""


def _listed(labels: Sequence[str]) -> str:
    rest = f" and {len(labels) - _NAMED} more" if len(labels) > _NAMED else ""
    return ", ".join(f"'{label}'" for label in labels[:_NAMED]) + rest
