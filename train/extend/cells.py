"""New cells in the terms of an atlas: its genes, its labels, its batches, and what is new."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.atlas.manifest import Manifest
from cellport.runtime.base.names import joinable
from cellport.runtime.errors import InputError
from cellport.runtime.mapping.atlas import Atlas
from cellport.runtime.mapping.gather import NOVEL_GROUPS
from cellport.runtime.mapping.gather.novel_groups import NovelCells
from cellport.runtime.mapping.genes.coverage import coverage
from cellport.train.attach.cells import gene_places, placed_counts
from cellport.train.extend.fit import NewCells
from cellport.train.progress import OnCells, unwatched
from cellport.train.reference.names import UNLABELLED
from cellport.train.reference.reference import Reference, read_reference, without_folders

# of a new type: with fewer, what is left out to judge by is a cell or two
FEWEST = 10
_MOST_GROUPS_NAMED = 5


@dataclass(frozen=True, slots=True)
class GivenCells:
    """Labelled cells that an atlas is to be extended by, whatever order they came in."""

    cells: NewCells
    names: NDArray[np.object_]  # [cells]
    new_labels: tuple[str, ...]  # that the atlas does not have, by name
    new_batches: tuple[str, ...]  # likewise
    batch: NDArray[np.int64]  # [cells], the atlas's batches in their order, then the new ones
    description: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Columns:
    """What is known of the new cells, and where their counts are.

    `labels` and `batch` are columns of ``obs``; `novel` names groups of cells unlike the atlas, by
    their number in a report, 1 for the first.
    """

    labels: str | None = None
    batch: str | None = None
    novel: Mapping[int, str] | None = None
    layer: str | None = None
    genome: str | None = None


def read_cells(
    atlas: AtlasFile, new: Any, how: Columns, on_cells: OnCells = unwatched
) -> GivenCells:
    """Read labelled cells, and match their genes, labels and batches with an atlas's.

    Raises
    ------
    InputError
        They have no raw counts of enough of its genes, no label, too few cells of a new one, or no
        such group.
    """
    several = new if isinstance(new, list) else [new]
    if not (how.labels or how.novel):
        raise InputError(
            "Which cells are what is not said: name the obs column of their labels (--labels), or "
            "a group of cells unlike the atlas (--novel 1=NAME)."
        )
    found = read_reference(
        several, how.labels, how.batch, how.layer, (), how.genome, fewest_labels=1
    )
    if not how.batch and len(several) == 1:
        path = several[0] if isinstance(several[0], str | Path) else "new cells"
        found = replace(found, batches=(Path(path).name,))
    found = without_folders(found, [Path(one) for one in several if isinstance(one, str | Path)])
    if how.novel:
        found = _with_groups(found, atlas, several, how)
    places = gene_places(found, atlas.manifest)
    _check_genes(found, atlas, places.has)
    counts = sp.vstack(list(placed_counts(found, places, on_cells)), format="csr")
    return _given(found, atlas, counts, places.has)


def _check_genes(found: Reference, atlas: AtlasFile, has: NDArray[np.bool_]) -> None:
    covered = coverage(atlas, has)
    if not covered.enough:
        worth = f"hold {covered.share:.0%} of what tells its labels apart"
        if not covered.of_labels:
            worth = f"are {covered.share:.0%}"
        raise InputError(
            f"{found.description} has {int(has.sum()):,} of the atlas's {len(has):,} genes, which "
            f"{worth}; to learn a type takes {covered.needed:.0%}. Give cells with more genes."
        )


def _with_groups(found: Reference, atlas: AtlasFile, several: list[Any], how: Columns) -> Reference:
    """Give the cells of groups unlike the atlas their names; others keep their labels."""
    assert how.novel is not None
    if len(several) > 1:
        raise InputError("Groups of cells unlike the atlas are those of one file; give one.")
    mapped = Atlas(atlas).map(several[0], gather=[NOVEL_GROUPS], layer=how.layer, genome=how.genome)
    gathered = mapped.gathered.get(NOVEL_GROUPS)
    assert isinstance(gathered, NovelCells)
    groups, cells = gathered.groups(), gathered.surest_of_groups()
    text = np.array([*found.labels, ""], object)[found.label]
    for number, name in how.novel.items():
        if name.strip().lower() in UNLABELLED:
            raise InputError(f"--novel {number}={name}: {name!r} names no type; give another name.")
        if not 1 <= number <= len(groups):
            raise InputError(_no_group(found, number, [one.sentence for one in groups]))
        text[cells[number - 1]] = joinable(" ".join(name.split()))
    labels = tuple(sorted(set(text) - {""}))
    position = {name: code for code, name in enumerate(labels)}
    label = np.array([position.get(one, -1) for one in text], np.int64)
    return replace(found, labels=labels, label=label)


def _no_group(found: Reference, number: int, sentences: list[str]) -> str:
    if not sentences:
        return (
            f"{found.description} has no group of cells unlike the atlas, so there is no group "
            f"{number} to name."
        )
    told = " ".join(
        f"{at}: {sentence}" for at, sentence in enumerate(sentences[:_MOST_GROUPS_NAMED], start=1)
    )
    return f"{found.description} has no group {number} of cells unlike the atlas. It has {told}"


def _given(
    found: Reference, atlas: AtlasFile, counts: sp.csr_matrix, has: NDArray[np.bool_]
) -> GivenCells:
    manifest = atlas.manifest
    usable = (found.label >= 0) & (np.asarray(counts.sum(axis=1)).ravel() > 0)
    if not usable.any():
        raise InputError(f"{found.description}: no cell has both a label and counts.")
    label_of, new_labels = _positions(found.labels, manifest.labels, found.label[usable])
    batch_of, new_batches = _positions(found.batches, manifest.batches, found.batch[usable])
    _check_names(found, manifest, new_labels)
    code, batch = label_of[found.label], batch_of[found.batch]
    rows = np.flatnonzero(usable)
    library = np.asarray(counts[rows].sum(axis=1)).ravel()
    names = found.cell_names.astype(str)
    rows = rows[np.lexsort((library, batch[rows], names[rows], code[rows]))]
    _check_numbers(found, code[rows], len(manifest.labels), new_labels)
    left = len(usable) - len(rows)
    notes = [f"{left:,} cells without a label or without counts are left out."] if left else []
    return GivenCells(
        NewCells(counts[rows], code[rows], has),
        found.cell_names[rows],
        new_labels,
        new_batches,
        batch[rows],
        found.description,
        (*found.notes, *notes),
    )


def _positions(
    names: tuple[str, ...], known: tuple[str, ...], used: NDArray[np.int64]
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Position of each name among the known ones, new ones behind them; and the new ones.

    Names agree but for letter case and spaces.
    """
    place = {_plain(name): at for at, name in enumerate(known)}
    new = tuple(names[at] for at in np.unique(used) if _plain(names[at]) not in place)
    place |= {_plain(name): len(known) + at for at, name in enumerate(new)}
    return np.array([place.get(_plain(name), -1) for name in names], np.int64), new


def _plain(name: str) -> str:
    return " ".join(joinable(name).split()).casefold()


def _check_names(found: Reference, manifest: Manifest, new: tuple[str, ...]) -> None:
    groups = {_plain(name): name for name in manifest.parents.values()}
    for name in new:
        group = groups.get(_plain(name))
        if group is not None:
            below = [label for label, above in manifest.parents.items() if above == group]
            raise InputError(
                f"{found.description} has cells of {name!r}, and atlas '{manifest.name}' calls a "
                f"group of labels so ({', '.join(below)}): nobody could tell which a cell is. "
                "Give the type another name, or these cells one of the group's labels."
            )


def _check_numbers(
    found: Reference, code: NDArray[np.int64], n_old: int, new: tuple[str, ...]
) -> None:
    for at, name in enumerate(new):
        number = int((code == n_old + at).sum())
        if number < FEWEST:
            raise InputError(
                f"{found.description} has {number} cells of {name!r}; to learn a new type takes "
                f"{FEWEST} or more. Leave their label empty, or give more of them."
            )
