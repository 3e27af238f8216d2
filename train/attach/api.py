"""A published model and reference cells in, one atlas file with all that they tell out."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from cellport.runtime.base.files import Place, check_place
from cellport.runtime.convert.models.recognise import Model
from cellport.runtime.convert.models.scvi import ScviModel
from cellport.runtime.convert.write import (
    Conversion,
    Converted,
    ConvertOptions,
    prepare_conversion,
    write_conversion,
)
from cellport.runtime.decisions import say
from cellport.runtime.errors import InputError, TrainingError
from cellport.train.attach.cells import (
    GenePlaces,
    check_genes,
    gene_places,
    groups_of,
    placed_counts,
    with_labels_of,
    without_label,
)
from cellport.train.attach.fit import STEPS, Attached, OnStep, attach, attach_latents
from cellport.train.attach.latents import Latents, read_latents
from cellport.train.attach.members import attached_manifest, attached_members
from cellport.train.attach.own import BATCH, LABEL, compare_own
from cellport.train.cells import PanelCounts, TrainingCells
from cellport.train.config import AtlasSettings, refuse_half_an_ontology
from cellport.train.labels.tree import Group, named_groups
from cellport.train.progress import OnCells, OnProgress, Progress, unwatched
from cellport.train.reference.reference import Reference, read_reference, without_folders
from cellport.train.reference.scratch import panel_counts

# fewer are no reference, as for training
_FEWEST_CELLS = 20
_MAYBE_TRAINED_ON = (
    "Whether the model was trained on these cells is not known: if it was, it is less sure and "
    "less often right on others. Cells that it has not seen tell more."
)
_OF_LATENTS = (
    "The reference holds latents alone, of cells that the model was trained on; novelty is that of "
    "the latent: cells of another study, of few counts or of few genes may look surer, or more "
    "novel, than they are. Cells that it has not seen, with counts, tell more."
)
_OWN_BATCHES = (
    "Its latents were made with the batch of each cell, those of a query are made with what stands "
    "for it."
)
_NOT_COMPARED = (
    "What an atlas trained on these cells would gain is not measured: --compare-own does, in some "
    "minutes."
)


@dataclass(frozen=True, slots=True)
class ReferenceOptions:
    """What is to be known of the reference cells given to a converted model.

    Attributes
    ----------
    labels, batch
        Columns of ``obs``. Labels are those that are called as the model calls them; without any,
        probabilities stay as the model gives them, and without batches all cells are one.
    layer, genome
        Where the raw counts are, and of 10x files of several genomes which one.
    label_tree, ontology, label_ids
        Columns of ``obs`` with coarser labels; an OBO file and the column with the labels' terms.
    seed
        Every random choice follows from it.
    in_memory
        Bytes of counts above which they go to a scratch file.
    compare_own
        Train an atlas on the reference too, and tell how both do on cells held out of both.
    """

    labels: str | None = None
    batch: str | None = None
    layer: str | None = None
    genome: str | None = None
    label_tree: tuple[str, ...] = ()
    ontology: str | None = None
    label_ids: str | None = None
    seed: int = 0
    in_memory: int = 128 << 20
    compare_own: bool = False

    def __post_init__(self) -> None:
        """Refuse half of an ontology.

        Raises
        ------
        TrainingError
            An ontology without terms, or terms without one.
        """
        refuse_half_an_ontology(self.ontology, self.label_ids)


def convert_with_reference(
    model: Place,
    out: Place,
    reference: Any,
    options: ConvertOptions | None = None,
    how: ReferenceOptions | None = None,
    *,
    on_progress: OnProgress = unwatched,
) -> Converted:
    """Make an atlas of a published model, with what reference cells tell of it.

    The model is not trained any further. Label probabilities are calibrated on the cells whose
    labels it knows; label sets, calls, novelty, neighbours, clusters and the 2-D map are fitted as
    `train_atlas` fits them.

    Parameters
    ----------
    model, out, options
        As for `convert_model`.
    reference
        A path, an AnnData, or anything else that holds raw counts, or a list of them.
    how
        Which columns say what.
    on_progress
        Called as cells are read, and before each step.

    Returns
    -------
    Converted
        The atlas, and what the reference cells told.

    Raises
    ------
    InputError
        The model cannot be converted; the reference does not hold raw counts of enough of its
        genes, or none of its labels.
    TrainingError
        Too few cells.
    OutputError
        The atlas cannot be written there.

    Examples
    --------
    >>> cellport.convert_with_reference(
    ...     "Immune_All_Low.pkl", "immune.cellport", "cells.h5ad",
    ...     how=cellport.ReferenceOptions(labels="cell_type", batch="donor"),
    ... )  # doctest: +SKIP
    """
    check_place(out, [model, *_paths(_several(reference))])
    made = prepare_conversion(model, options or ConvertOptions())
    return attach_reference(made, out, reference, how, on_progress=on_progress)


def attach_reference(
    made: Conversion,
    out: Place,
    reference: Any,
    how: ReferenceOptions | None = None,
    *,
    on_progress: OnProgress = unwatched,
) -> Converted:
    """Do what `convert_with_reference` does, of a model that was read already."""
    how, several = how or ReferenceOptions(), _several(reference)
    check_place(out, _paths(several))
    if made.network.n_latent < 2:
        raise InputError("The model's latent has one dimension, too few for a reference's cells.")
    given = _given(several, made, how)
    compared = _compared(made, given, how, on_progress) if how.compare_own else None
    with _counts(given, out, how, on_progress) as counts:
        found = _attached(made, given, counts, how, _steps(on_progress))
        manifest = attached_manifest(made, given.matched, found, compared, how.label_ids)
        members = attached_members(made, given.matched, found, manifest)
    attached = replace(made, manifest=manifest, members=members)
    return write_conversion(attached, out, _notes(made, given, found, compared is not None))


@dataclass(frozen=True, slots=True)
class _Given:
    """What is there of reference cells."""

    cells: Reference
    matched: Reference  # the same with the model's labels
    groups: tuple[Group, ...]  # of labels, that the maker named
    places: GenePlaces
    latents: Latents | None  # in place of counts


def _given(several: list[Any], made: Conversion, how: ReferenceOptions) -> _Given:
    cells = _read(several, how, made.model)
    matched = _matched(cells, made, how, several)
    groups = named_groups(matched, how.label_tree, how.ontology, how.label_ids)
    places = gene_places(cells, made.manifest)
    latents = read_latents(several, made.model, how.layer)
    if latents is not None:
        check_genes(cells, places)
    return _Given(cells, matched, tuple(groups), places, latents)


def _attached(
    made: Conversion, given: _Given, counts: PanelCounts, how: ReferenceOptions, on_step: OnStep
) -> Attached:
    cells, matched = given.cells, given.matched
    seen = TrainingCells(
        counts,
        groups_of(cells, matched),
        cells.batch,
        len(matched.labels),
        len(cells.batches),
        # chosen by `attach`
        held_out=cells.label[:0],
    )
    if given.latents is not None:
        return attach_latents(made, seen, matched, given.latents, given.groups, how.seed, on_step)
    return attach(made, seen, matched, given.places.has, given.groups, how.seed, on_step)


@contextmanager
def _counts(
    given: _Given, out: Place, how: ReferenceOptions, on_progress: OnProgress
) -> Iterator[PanelCounts]:
    """Gather the counts of the model's genes, in memory or in a scratch file; none of latents."""
    shape = len(given.cells.label), given.places.width
    if given.latents is not None:
        yield sp.csr_matrix(shape, dtype=np.float32)
        return
    parts = placed_counts(given.cells, given.places, _reading(shape[0], on_progress))
    with (
        tempfile.TemporaryDirectory(prefix=".cellport-", dir=Path(out).parent) as scratch,
        panel_counts(parts, shape, Path(scratch) / "counts", how.in_memory) as counts,
    ):
        yield counts


def _compared(
    made: Conversion, given: _Given, how: ReferenceOptions, on_progress: OnProgress
) -> dict[str, Any]:
    if given.latents is not None or not (how.labels and given.matched.labels):
        lacks = "labels that the model knows" if given.latents is None else "counts, not latents"
        raise InputError(f"To compare the model with an own atlas takes {lacks}.")
    alike = replace(how, labels=LABEL, batch=BATCH, layer=None, genome=None, compare_own=False)

    def attach_to(rest: Any, place: Place) -> Path:
        return attach_reference(made, place, rest, alike, on_progress=on_progress).path

    settings: AtlasSettings = {
        "labels": LABEL, "batch": BATCH,
        "label_tree": how.label_tree, "ontology": how.ontology, "label_ids": how.label_ids,
        "seed": how.seed, "in_memory": how.in_memory,
    }  # fmt: skip
    return compare_own(given.cells, given.matched, settings, attach_to, on_progress)


def _notes(made: Conversion, given: _Given, found: Attached, compared: bool) -> tuple[str, ...]:
    said = _said(given, found)
    if given.latents is None:
        asked = found.rules.held_out is not None and not compared
        return (*given.cells.notes, *said, *([_NOT_COMPARED] if asked else []))
    # that there are zeros where counts would be goes without saying
    zeros = say("gate.only_zeros", place="")
    read = (note for note in given.cells.notes if not note.endswith(zeros))
    takes_batch = made.manifest.assumed_batch is not None
    return (*read, *said, _OF_LATENTS, *([_OWN_BATCHES] if takes_batch else []))


def _several(reference: Any) -> list[Any]:
    return reference if isinstance(reference, list) else [reference]


def _paths(several: list[Any]) -> list[Path]:
    return [Path(one) for one in several if isinstance(one, str | Path)]


def _reading(n_cells: int, on_progress: OnProgress) -> OnCells:
    return lambda done: on_progress(Progress(done, n_cells, {}, part="reading", unit="cell"))


def _steps(on_progress: OnProgress) -> OnStep:
    n = len(STEPS)
    return lambda step: on_progress(Progress(STEPS.index(step), n, {}, part=step, unit="step"))


def _read(several: list[Any], how: ReferenceOptions, model: Model) -> Reference:
    columns = (*how.label_tree, *([how.label_ids] if how.label_ids else []))
    cells = read_reference(several, how.labels, how.batch, how.layer, columns, how.genome)
    if len(cells.label) < _FEWEST_CELLS:
        raise TrainingError(
            f"{cells.description} has {len(cells.label)} cells; a reference needs at least "
            f"{_FEWEST_CELLS}."
        )
    if isinstance(model, ScviModel) and model.unlabelled is not None:
        cells = without_label(cells, model.unlabelled)
    return without_folders(cells, _paths(several))


def _matched(
    cells: Reference, made: Conversion, how: ReferenceOptions, sources: Sequence[Any]
) -> Reference:
    """Return the reference with the model's labels; without any where it or the model has none."""
    labels = made.network.labels
    if labels and how.labels:
        return with_labels_of(cells, labels, how.labels, sources)
    unknown = cells.label * 0 - 1
    return replace(cells, labels=labels, label=unknown)


def _said(given: _Given, found: Attached) -> tuple[str, ...]:
    """Say what the reference's labels told, and what is to be doubted."""
    cells, matched = given.cells, given.matched
    if found.rules.held_out is None:
        return ()
    labelled, known = int((cells.label >= 0).sum()), int((matched.label >= 0).sum())
    others = [
        name
        for code, name in enumerate(cells.labels)
        if (matched.label[cells.label == code] < 0).all()
    ]
    said = [
        f"{known:,} of {labelled:,} labelled reference cells have a label of the model "
        f"({len(set(matched.label[matched.label >= 0]))} of its {len(matched.labels)}); "
        "probabilities, label sets and calls were fitted to them."
    ]
    if others:
        more = ", ..." if len(others) > 3 else ""
        said.append(
            f"The model does not know {', '.join(map(repr, others[:3]))}{more}: cells of such "
            "labels count as known in novelty and on the map alone."
        )
    if not found.unseen and given.latents is None:
        said.append(_MAYBE_TRAINED_ON)
    return tuple(said)
