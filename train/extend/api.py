"""A finished atlas and labelled cells in, an atlas that knows their types too out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cellport.runtime.atlas.file import AtlasFile, open_atlas_file, write_atlas_file
from cellport.runtime.atlas.manifest import Manifest
from cellport.runtime.base.files import Place, check_place
from cellport.runtime.errors import InputError
from cellport.train.extend.cells import Columns, GivenCells, read_cells
from cellport.train.extend.fit import Extension, fit_extension
from cellport.train.extend.seen import Encoder
from cellport.train.extend.write import (
    AddedType,
    added_types,
    extended_manifest,
    extended_members,
    updated_labels,
)
from cellport.train.progress import OnProgress, Progress, unwatched

# a new type that is told worse from its nearest relative asks for another encoder: of known types
# under another name nearly all lie below, of new ones from 20 cells all above (`benchmarks.extend`)
LEAST_RECALL, LEAST_AUROC = 2 / 3, 0.9
# share of a type's cells with one old label from which that is said
_ALIKE = 0.9
# share of the cells of a known label to which the atlas gives it, below which that is said
_AGREED = 0.5
_NEEDED = ("gene_loading", "gene_noise", "gene_share", "reference_latent", "label_mean")


@dataclass(frozen=True, slots=True)
class Extended:
    """An atlas that was extended.

    Attributes
    ----------
    path, sha256, manifest
        The new file.
    types
        What was added, with what cells left out say of it.
    updated
        New cells of labels that the atlas had, by label.
    lost
        Share of the cells drawn in place of the atlas's own whose right label a new type took.
    notes
        What whoever made it should know, a sentence each.
    """

    path: Path
    sha256: str
    manifest: Manifest
    types: tuple[AddedType, ...]
    updated: dict[str, int]
    lost: float
    notes: tuple[str, ...]


def extend(
    atlas: Place | AtlasFile,
    new: Any,
    out: Place,
    *,
    labels: str | None = None,
    batch: str | None = None,
    novel: Mapping[int, str] | None = None,
    layer: str | None = None,
    genome: str | None = None,
    seed: int = 0,
    on_progress: OnProgress = unwatched,
) -> Extended:
    """Add the types of labelled cells to an atlas, on the encoder that it has.

    Neither the counts that the atlas was trained on nor PyTorch is needed. Cells are of a new type
    with a probability of its own; what is left is shared out among the old labels as before.

    Parameters
    ----------
    atlas
        A ``.cellport`` file that ``cellport train`` made, or an open one; it stays as it is.
    new
        A path, an AnnData, or anything else that holds raw counts, or a list of them.
    out
        The ``.cellport`` file to write; replaced when it exists.
    labels, batch
        Columns of ``obs``. Labels that the atlas does not have are new types, of 10 cells or more;
        cells of the others make these a little wider. Without `batch` each file is a batch.
    novel
        Names of groups of cells unlike the atlas, by their number in ``cellport map --report``.
    layer, genome
        Where the raw counts are, and of 10x files of several genomes which one.
    seed
        Every random choice follows from it.
    on_progress
        Called as cells are read, and before each step.

    Returns
    -------
    Extended
        The new file, and what cells left out say of its new types.

    Raises
    ------
    InputError
        The atlas cannot be extended; the cells have no counts of enough of its genes, or too few
        of a new type; or the encoder cannot tell a new type from an old one.
    OutputError
        The atlas cannot be written there.
    MissingDependencyError
        onnx or onnxruntime is not installed.

    Examples
    --------
    >>> cellport.extend(
    ...     "lung.cellport", "tumour.h5ad", "lung-2.cellport", labels="cell_type"
    ... )  # doctest: +SKIP

    References
    ----------
    Hou et al. 2019, CVPR, "Learning a unified classifier incrementally via rebalancing", and Shin
    et al. 2017, NeurIPS, "Continual learning with deep generative replay" (what was learned before
    is stood for by samples of a generator).
    """
    several = new if isinstance(new, list) else [new]
    opened = atlas if isinstance(atlas, AtlasFile) else open_atlas_file(atlas)
    paths = [Path(one) for one in several if isinstance(one, str | Path)]
    check_place(out, [opened.path, *paths])
    _check_atlas(opened)
    columns = Columns(labels, batch, novel, layer, genome)
    given = read_cells(opened, new, columns, _reading(on_progress))
    on_progress(Progress(0, 1, {}, part="fitting", unit="step"))
    found = fit_extension(Encoder(opened), given.cells, seed)
    types = added_types(given, found, opened.manifest)
    _check_told(opened.manifest, types)
    name = Path(out).name.removesuffix(".cellport")
    manifest = extended_manifest(opened, given, found, name)
    members = extended_members(opened, given, found, manifest)
    sha256 = write_atlas_file(out, manifest, members)
    on_progress(Progress(1, 1, {}, part="fitting", unit="step"))
    updated = updated_labels(given, opened.manifest)
    return Extended(
        Path(out),
        sha256,
        manifest,
        types,
        updated,
        found.lost,
        (
            *_notes(given, updated),
            *_alike(opened.manifest, given, found),
            *_disagreed(opened.manifest, given, found),
        ),
    )


def _check_atlas(atlas: AtlasFile) -> None:
    manifest = atlas.manifest
    if not manifest.labels:
        raise InputError(
            f"Atlas '{manifest.name}' has no labels, so there are none to tell a new type from. "
            "Train it with --labels."
        )
    lacks = [name for name in _NEEDED if not atlas.has_array(name)]
    if manifest.head.kind != "softmax" or lacks or "decoder.onnx" not in atlas:
        raise InputError(
            f"Atlas '{manifest.name}' cannot be extended: it was converted from a model of another "
            "tool, and does not hold what stands for its reference cells (a decoder, their "
            "latents, a factor model of the genes). Train an atlas on the cells (cellport train)."
        )


def _check_told(before: Manifest, types: tuple[AddedType, ...]) -> None:
    for one in types:
        if one.recall >= LEAST_RECALL and one.auroc >= LEAST_AUROC:
            continue
        raise InputError(
            f"The encoder of atlas '{before.name}' cannot tell {one.label!r} from "
            f"{one.most_like!r}: of {one.cells} cells, each left out in turn, {one.recall:.0%} "
            f"were called {one.label!r} ({LEAST_RECALL:.0%} are asked for), and the area under the "
            f"ROC curve between both is {one.auroc:.3f} ({LEAST_AUROC:g} is asked for). It is due "
            f"to be trained anew, with these cells; or label them {one.most_like!r}."
        )


def _reading(on_progress: OnProgress) -> Any:
    return lambda done: on_progress(Progress(done, max(done, 1), {}, part="reading", unit="cell"))


def _notes(given: GivenCells, updated: dict[str, int]) -> tuple[str, ...]:
    notes = list(given.notes)
    if given.new_labels and not updated:
        notes.append(
            "The new cells are of new types alone. What sets their batch apart may be taken for "
            "what sets the types apart: cells of known types from the same batch would tell."
        )
    if given.new_batches:
        notes.append(
            f"The decoder knows no batch {', '.join(map(repr, given.new_batches[:3]))}: there, "
            "expression is the mean over the batches that it knows."
        )
    return tuple(notes)


def _alike(before: Manifest, given: GivenCells, found: Extension) -> Iterator[str]:
    """Say which new types the atlas took for one of its own."""
    best = found.seen.prob.argmax(axis=1)
    for at, name in enumerate(given.new_labels, start=len(before.labels)):
        own = np.bincount(best[given.cells.code == at], minlength=len(before.labels))
        share = own.max() / own.sum()
        if share >= _ALIKE:
            yield (
                f"The atlas itself gives {share:.0%} of the {name!r} cells the label "
                f"{before.labels[int(own.argmax())]!r}. If that is what they are, label them so: a "
                "small atlas may take cells that it was not trained on for a type of their own."
            )


def _disagreed(before: Manifest, given: GivenCells, found: Extension) -> Iterator[str]:
    """Say of which cells of its own labels the atlas thinks otherwise."""
    best, code = found.seen.prob.argmax(axis=1), given.cells.code
    for at, name in enumerate(before.labels):
        own = np.bincount(best[code == at], minlength=len(before.labels))
        if own.sum() and own[at] < _AGREED * own.sum():
            other = int(own.argmax())
            yield (
                f"The atlas itself gives {own[at] / own.sum():.0%} of the cells labelled {name!r} "
                f"that label, and {own[other] / own.sum():.0%} of them {before.labels[other]!r}. "
                "Look whether their labels are right. If they are, the atlas knows this type too "
                "little, which cells added to it change by little: train it anew with them."
            )
