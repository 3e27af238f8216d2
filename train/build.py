"""The steps from a reference to an atlas, in order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.manifest import Manifest
from cellport.runtime.errors import TrainingError
from cellport.train.cells import TrainingCells
from cellport.train.config import AtlasConfig
from cellport.train.export.atlas import export_atlas
from cellport.train.export.parts import AtlasParts
from cellport.train.fit.loop import fit
from cellport.train.infer import infer
from cellport.train.labels.calibrate import held_out_share, hold_out
from cellport.train.labels.left_out import (
    answers_for_held_out_cells,
    answers_for_left_out_batches,
)
from cellport.train.labels.levels import Levels, in_finest_labels
from cellport.train.labels.rules import fit_label_rules
from cellport.train.labels.tree import named_groups
from cellport.train.novelty import fit_novelty, fit_p_exponent
from cellport.train.progress import OnCells, OnProgress, Progress, unwatched
from cellport.train.reference.cautions import CountsSeen, label_cautions
from cellport.train.reference.chunks import chunks
from cellport.train.reference.kept_genes import find_kept_genes
from cellport.train.reference.panel import select_panel
from cellport.train.reference.reference import Reference
from cellport.train.reference.scratch import panel_counts
from cellport.train.structure.fit import CellAnnotation, check_roots, fit_structure
from cellport.train.structure.roots import RootChoice
from cellport.train.umap import learn_layout

# fewer are no reference, and the novelty table and the map need neighbours
_FEWEST_CELLS = 20


def build_atlas(
    reference: Reference,
    config: AtlasConfig,
    checkpoint: Path | None = None,
    on_progress: OnProgress = unwatched,
) -> tuple[Manifest, dict[str, bytes]]:
    """Train, calibrate and export; return the manifest and members of an atlas.

    The state of training goes to a checkpoint, and scratch files beside it, where there is one.

    Raises
    ------
    TrainingError
        Too few cells, or training or export failed.
    """
    # whatever may be refused is refused before hours of training
    _check_size(reference)
    annotation = CellAnnotation(reference.label, reference.labels, reference.cell_names)
    roots = RootChoice(config.root, config.root_cell)
    check_roots(roots, annotation)
    named = named_groups(reference, config.label_tree, config.ontology, config.label_ids)
    levels = in_finest_labels(reference, named, config.other)
    for note in levels.reference.notes[len(reference.notes) :]:
        on_progress(Progress(0, 1, {}, part="reading", note=note))
    levels = _cautioned(levels, label_cautions(levels.reference), on_progress)
    genes = _panel(levels.reference, config, on_progress)
    seen = CountsSeen(len(genes))
    with _training_cells(levels, genes, config, checkpoint, on_progress, seen) as cells:
        levels = _cautioned(levels, seen.cautions(cells.batch), on_progress)
        reference, groups = levels.reference, levels.groups
        model = fit(cells, config.fit, checkpoint, on_progress, config.save_seconds)
        fitted = infer(model, cells, config.fit.seed)
        left_out = answers_for_left_out_batches(
            cells, config.fit, checkpoint, on_progress, config.save_seconds
        )
        held_out = answers_for_held_out_cells(fitted, config.fit.degradation)
        rules = fit_label_rules(left_out, held_out, reference.labels, groups)
        layout, layout_scores = learn_layout(fitted, config.fit.degradation)
        structure = fit_structure(fitted, annotation, roots)
        for note in structure.summary["notes"]:
            on_progress(Progress(1, 1, {}, part="structure", note=note))
        novelty = fit_novelty(fitted, fit_p_exponent(left_out.novelty_p if left_out else ()))
        parts = AtlasParts(
            reference, genes, config, fitted, rules, layout, layout_scores, structure, novelty
        )
        return export_atlas(parts)


def _cautioned(levels: Levels, cautions: list[str], on_progress: OnProgress) -> Levels:
    """Tell of what makes the atlas worse than its figures say, and keep it for the card."""
    for caution in cautions:
        on_progress(Progress(0, 1, {}, part="reading", note=caution))
    told = (*levels.reference.cautions, *cautions)
    return replace(levels, reference=replace(levels.reference, cautions=told))


def _check_size(reference: Reference) -> None:
    n_cells = reference.counts.shape[0]
    if n_cells < _FEWEST_CELLS:
        raise TrainingError(
            f"{reference.description} has {n_cells} cells; training needs at least {_FEWEST_CELLS}."
        )


def _panel(reference: Reference, config: AtlasConfig, on_progress: OnProgress) -> NDArray[np.int64]:
    """Choose the genes of the panel: positions in the reference, ascending."""
    how = config.n_genes, config.organism
    keep, note = find_kept_genes(reference.gene_columns, config.keep_genes, *how)
    if note:
        on_progress(Progress(0, 1, {}, part="reading", note=note))
    watched = _reading(reference, on_progress, 0)
    label = reference.label if len(reference.labels) > 1 else None
    genes = select_panel(reference.counts, reference.batch, config.n_genes, watched, keep, label)
    if not len(genes):
        raise TrainingError(f"{reference.description}: no gene was chosen; all counts are zero.")
    return genes


@contextmanager
def _training_cells(
    levels: Levels,
    genes: NDArray[np.int64],
    config: AtlasConfig,
    checkpoint: Path | None,
    on_progress: OnProgress,
    seen: CountsSeen,
) -> Iterator[TrainingCells]:
    """Gather the panel's counts, in memory or in a scratch file, and hold cells out."""
    reference = levels.reference
    n_cells = reference.counts.shape[0]
    watched = _reading(reference, on_progress, 2 * n_cells)
    scratch = checkpoint and checkpoint.with_name(f"{checkpoint.name}.counts")
    rng = np.random.default_rng(config.fit.seed)
    parts = seen.watch(chunks(reference.counts, genes, watched))
    with panel_counts(parts, (n_cells, len(genes)), scratch, config.in_memory) as counts:
        yield TrainingCells(
            counts=counts,
            label=reference.label,
            batch=reference.batch,
            n_labels=len(reference.labels),
            n_batches=len(reference.batches),
            held_out=hold_out(reference.label, held_out_share(n_cells), rng),
            coarse=levels.coarse,
        )


def _reading(reference: Reference, on_progress: OnProgress, before: int) -> OnCells:
    """Tell of cells that have passed, of the three times that each one does."""
    total = 3 * reference.counts.shape[0]
    return lambda done: on_progress(Progress(before + done, total, {}, part="reading", unit="cell"))
