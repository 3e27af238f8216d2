"""Reference cells in the terms of a converted model: its genes, its labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from cellport.runtime.atlas.manifest import Manifest
from cellport.runtime.base.names import joinable
from cellport.runtime.errors import InputError
from cellport.runtime.genes.match import match_genes
from cellport.runtime.sources import open_source
from cellport.train.progress import OnCells, unwatched
from cellport.train.reference.chunks import chunks
from cellport.train.reference.reference import Reference

# columns that the genes outside the panel are dealt out to: as degraded cells lack genes, they
# lack a like share of these
_OTHERS = 64


@dataclass(frozen=True, slots=True)
class GenePlaces:
    """Where the counts of a reference's genes go."""

    column: NDArray[np.int64]  # int64 [genes of the reference]: a column of the counts, or -1
    width: int  # columns: the panel genes, then others if the model divides by all counts
    has: NDArray[np.bool_]  # bool [panel genes], those that the reference measured


def gene_places(reference: Reference, manifest: Manifest) -> GenePlaces:
    """Match the genes of a reference to the model's.

    Raises
    ------
    InputError
        It has too few of them, or they are another organism's.
    """
    match = match_genes(
        reference.gene_columns,
        manifest.panel,
        organism=manifest.organism or None,
        source=reference.description,
    )
    column = match.panel_column.astype(np.int64)
    width = manifest.panel.n_genes
    if manifest.input.library == "query":
        others = np.flatnonzero((column < 0) & match.is_gene)
        column[others] = width + np.arange(len(others)) % _OTHERS
        width += _OTHERS
    return GenePlaces(column, width, match.measured)


def check_genes(reference: Reference, places: GenePlaces) -> None:
    """Refuse latents that lie beside other genes than the model's.

    Raises
    ------
    InputError
        A gene of the model is not there.
    """
    if not places.has.all():
        raise InputError(
            f"{reference.description} holds latents in place of counts (minify_adata), but not of "
            f"this model: it lacks {np.count_nonzero(~places.has):,} of the model's genes. Give "
            "the cells that were saved with the model (save_anndata=True)."
        )


def placed_counts(
    reference: Reference, places: GenePlaces, on_progress: OnCells = unwatched
) -> Iterator[sp.csr_matrix]:
    """Yield all cells in order, a few thousand at a time, float32 CSR [n, columns].

    Raises
    ------
    InputError
        All counts are zero.
    """
    empty = True
    used = np.flatnonzero(places.column >= 0)
    ends = used, places.column[used]
    # float64, in which sums of counts are exact
    place = sp.csr_matrix((np.ones(len(used)), ends), (len(places.column), places.width))
    for some in chunks(reference.counts, on_progress=on_progress):
        found = (some @ place).tocsr()
        found.sort_indices()
        empty &= not found.count_nonzero()
        yield found.astype(np.float32)
    if empty:
        raise InputError(
            f"{reference.description} has no counts of the model's genes: all are zero. Name the "
            "place of the counts with --layer, or give other cells."
        )


def with_labels_of(
    reference: Reference, labels: Sequence[str], column: str, sources: Sequence[Any]
) -> Reference:
    """Name the labels of reference cells as the model does; -1 where it has no such label.

    Names agree but for letter case and spaces.

    Raises
    ------
    InputError
        No label of the reference is one of the model's.
    """
    position = {_plain(name): code for code, name in enumerate(labels)}
    code_of = np.array([position.get(_plain(name), -1) for name in reference.labels] or [-1])
    if not (code_of >= 0).any():
        raise InputError(_no_label_matches(reference, labels, column, sources))
    label = np.where(reference.label >= 0, code_of[reference.label], -1)
    return replace(reference, labels=tuple(labels), label=label.astype(np.int64))


def without_label(reference: Reference, name: str) -> Reference:
    """Take a label for none: what a model calls cells that nobody labelled."""
    plain = [_plain(label) for label in reference.labels]
    if _plain(name) not in plain:
        return reference
    gone = plain.index(_plain(name))
    label = np.where(reference.label > gone, reference.label - 1, reference.label)
    label[reference.label == gone] = -1
    labels = (*reference.labels[:gone], *reference.labels[gone + 1 :])
    return replace(reference, labels=labels, label=label)


def groups_of(reference: Reference, matched: Reference) -> NDArray[np.int64]:
    """Labels int64 [cells] of both: the model's, then those that it does not know, -1 unknown."""
    other = (matched.label < 0) & (reference.label >= 0)
    return np.where(other, reference.label + len(matched.labels), matched.label)


def _plain(name: str) -> str:
    # the reference's labels were tidied: what joins names in results is a comma there
    return " ".join(joinable(name).split()).casefold()


def _no_label_matches(
    reference: Reference, labels: Sequence[str], column: str, sources: Sequence[Any]
) -> str:
    found, known = _some(reference.labels), _some(labels)
    where = reference.description
    said = f"{where}: no label in obs column {column!r} ({found}) is one of the model's ({known})."
    better = _better_column(sources, labels)
    if better:
        return f"{said} Those of column {better!r} are: --labels {better}."
    return (
        f"{said} Name a column whose labels are called as the model's, or leave --labels out: "
        "cells without labels serve for novelty and the map."
    )


def _better_column(sources: Sequence[Any], labels: Sequence[str]) -> str:
    known = {_plain(name) for name in labels}
    with closing(open_source(sources[0])) as opened:
        for name in opened.obs_texts:
            values = {_plain(str(value)) for value in set(opened.obs_column(name))}
            if values & known:
                return str(name)
    return ""


def _some(names: Sequence[str]) -> str:
    more = ", ..." if len(names) > 3 else ""
    return ", ".join(map(repr, names[:3])) + more
