"""Where the label tree comes from: coarser columns, an ontology, or the model's own confusions.

Whatever the source, it names candidate groups of labels; a tree is made of those that do not
cross one another.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import linkage

from cellport.runtime.errors import InputError
from cellport.runtime.ontology.terms import read_obo
from cellport.train.reference.names import tidied_labels
from cellport.train.reference.reference import Reference

# labels that take this much probability from one another are worth a common name
CONFUSED = 0.05
# a group learned from confusions names its labels, so it must stay short enough to read
MOST_TOGETHER = 4
# share of a label's cells that must agree on its coarser label
AGREEMENT = 0.9

# how a term is written: CL:0000084
_TERM = re.compile(r"[A-Za-z]\w*:\w+")

Group = tuple[str, frozenset[int]]


def nested(groups: Iterable[Group], labels: Sequence[str]) -> dict[str, str]:
    """Make a tree of those groups (names, positions in `labels`) that do not cross a smaller one.

    Groups of one label or of all of them say nothing and are left out, as are groups with a name
    or with members that are taken. Returns the parent of each label and group that has one.
    """
    kept: list[Group] = []
    for name, members in sorted(groups, key=lambda group: (len(group[1]), group[0])):
        taken = name in labels or any(name == other or members == inner for other, inner in kept)
        crosses = any(members & inner and not inner <= members for _, inner in kept)
        if 1 < len(members) < len(labels) and not taken and not crosses:
            kept.append((name, members))
    leaves = [(label, frozenset({i})) for i, label in enumerate(labels)]
    parents = {}
    for position, (name, members) in enumerate([*leaves, *kept]):
        above = (
            group for group, inner in kept[max(0, position + 1 - len(leaves)) :] if members < inner
        )
        parent = next(above, None)
        if parent is not None:
            parents[name] = parent
    return parents


def named_groups(
    reference: Reference,
    columns: Sequence[str],
    ontology: str | os.PathLike[str] | None = None,
    label_ids: str | None = None,
) -> list[Group]:
    """Collect the groups that the atlas's maker names in columns, or by terms of an OBO file.

    All columns, that of the terms (`label_ids`) too, are among the reference's annotations.

    Raises
    ------
    InputError
        A column is not coarser than the labels, or the ontology is of no use.
    """
    groups: list[Group] = []
    if not reference.labels:
        return groups
    for column in columns:
        coarse = reference.annotations[column]
        groups += groups_of_column(column, coarse, reference.label, reference.labels)
    if ontology is not None and label_ids is not None:
        terms = _term_of_label(reference, reference.annotations[label_ids])
        groups += groups_of_ontology(ontology, terms, reference.labels)
    return groups


def _term_of_label(reference: Reference, terms: NDArray[np.object_]) -> list[str]:
    """Most frequent term of each label's cells."""
    found = []
    for code in range(len(reference.labels)):
        values, number = np.unique(terms[reference.label == code].astype(str), return_counts=True)
        found.append(str(values[number.argmax()]) if len(number) else "")
    return found


def stated_terms(reference: Reference, column: str | None) -> dict[str, str]:
    """Terms of labels by a column of the reference's annotations, for the manifest.

    Of the labels nine in ten of whose cells have one and the same; none without a column.
    """
    if column is None:
        return {}
    terms, found = reference.annotations[column].astype(str), {}
    for code, (label, term) in enumerate(
        zip(reference.labels, _term_of_label(reference, terms.astype(object)), strict=True)
    ):
        alike = terms[reference.label == code] == term
        if _TERM.fullmatch(term) and alike.mean() >= AGREEMENT:
            found[label] = term
    return found


def groups_of_column(
    column: str,
    coarse: NDArray[np.object_],
    label: NDArray[np.int64],
    labels: Sequence[str],
) -> list[Group]:
    """Group labels, int64 [cells] and their names, by a coarser annotation, object [cells].

    Raises
    ------
    InputError
        The cells of one label disagree about the coarser one, so that it is not coarser.
    """
    members: dict[str, set[int]] = {}
    # as the labels are spelled
    coarse = tidied_labels(coarse, column)[0]
    for code, name in enumerate(labels):
        own = coarse[label == code]
        values, number = np.unique(own[own != ""].astype(str), return_counts=True)
        if not len(number):
            continue
        best = number.argmax()
        if number[best] < AGREEMENT * number.sum():
            some = ", ".join(map(repr, values[:3].tolist()))
            raise InputError(
                f"obs column {column!r} is no coarser version of the labels: cells of {name!r} "
                f"are {some} there. Leave it out of the label tree."
            )
        members.setdefault(str(values[best]), set()).add(code)
    return [(name, frozenset(codes)) for name, codes in members.items()]


def groups_of_ontology(
    path: str | os.PathLike[str], ids: Sequence[str], labels: Sequence[str] = ()
) -> list[Group]:
    """Group labels under the common ancestors that an OBO file (Cell Ontology) names.

    `ids` are the term of each label, such as ``CL:0000084``, or empty where it has none. The group
    of a term that one of `labels` alone has goes by that label.

    Raises
    ------
    InputError
        The file cannot be read, or knows none of the terms.
    """
    above = read_obo(path)
    names = dict(above.names)
    members: dict[str, set[int]] = {}
    for code, term in enumerate(ids):
        for ancestor in above.ancestors(term) if term in names else ():
            members.setdefault(ancestor, set()).add(code)
    if not members:
        raise InputError(f"{path} knows none of the labels' terms ({', '.join(ids[:3])}, ...).")
    names |= {term: one for one, term in zip(labels, ids, strict=False) if ids.count(term) == 1}
    return [(names.get(term, term), frozenset(codes)) for term, codes in members.items()]


def groups_of_confusions(
    prob: NDArray[np.floating], label: NDArray[np.int64], labels: Sequence[str]
) -> list[Group]:
    """Group labels that the model takes for one another in cells it has not seen.

    Average linkage on the probability that labels lend each other: `prob` is float
    [cells, labels], `label` the truth, int64 [cells], -1 where unknown.
    """
    if len(labels) < 3:
        return []
    lent = np.zeros((len(labels), len(labels)))
    for code in range(len(labels)):
        inside = label == code
        if inside.any():
            lent[code] = prob[inside].mean(axis=0)
    shared = (lent + lent.T) / 2
    apart = 1 - shared[np.triu_indices(len(labels), 1)]
    clusters = [frozenset({code}) for code in range(len(labels))]
    groups = []
    for one, other, distance, _ in linkage(apart, "average"):
        together = clusters[int(one)] | clusters[int(other)]
        clusters.append(together)
        if distance <= 1 - CONFUSED and len(together) <= MOST_TOGETHER:
            groups.append((" / ".join(labels[code] for code in sorted(together)), together))
    return groups
