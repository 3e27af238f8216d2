"""Counts in, one atlas file out."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cellport.models.vae import CountVAE
from cellport.runtime.atlas.file import npy_bytes, write_atlas_file
from cellport.runtime.atlas.manifest import Manifest
from cellport.runtime.base.files import check_place
from cellport.runtime.errors import TrainingError
from cellport.train.export.card import write_card
from cellport.train.export.manifest import atlas_manifest
from cellport.train.export.members import export_members, reference_members
from cellport.train.features.kernel import feature_maker
from cellport.train.fit.loop import FitConfig, Progress, TrainingCells, dismiss, fit, follow
from cellport.train.fit.processes import connect, is_first
from cellport.train.labels.calibrate import held_out_share, hold_out
from cellport.train.labels.left_out import (
    Unseen,
    answers_for_held_out_cells,
    answers_for_unseen_batches,
)
from cellport.train.labels.rules import LabelRules, fit_label_rules
from cellport.train.labels.tree import named_groups
from cellport.train.novelty import fit_easing, fit_novelty
from cellport.train.reference.chunks import chunks
from cellport.train.reference.gene_table import name_genes
from cellport.train.reference.panel import select_panel
from cellport.train.reference.reference import Reference, read_reference
from cellport.train.reference.scratch import panel_counts
from cellport.train.structure.fit import Annotated, fit_structure
from cellport.train.structure.profiles import along_trajectory
from cellport.train.structure.roots import RootChoice
from cellport.train.umap import learn_layout, place

_FEWEST_CELLS = 20


@dataclass(frozen=True, slots=True)
class AtlasConfig:
    """What to make.

    Attributes
    ----------
    labels, batch
        Columns of ``obs``; None for none.
    layer
        Where the raw counts are; found when None.
    name, licence
        Of the atlas; the name is that of the file when None.
    organism
        ``human`` or ``mouse``; inferred from the gene names when None.
    n_genes
        Size of the gene panel.
    label_tree
        Columns of ``obs`` with coarser labels, from which calls back off.
    ontology, label_ids
        An OBO file (Cell Ontology) and the column with the labels' terms in it, as another
        source of coarser labels; both or neither.
    root, root_cell
        Labels, and names of cells, at which trajectories start; one trajectory for each. Without
        any, there is one where most cells form a continuum, and its start is proposed.
    fit
        How to train.
    """

    labels: str | None = None
    batch: str | None = None
    layer: str | None = None
    name: str | None = None
    licence: str = ""
    organism: str | None = None
    n_genes: int = 2000
    label_tree: tuple[str, ...] = ()
    ontology: str | os.PathLike[str] | None = None
    label_ids: str | None = None
    root: tuple[str, ...] = ()
    root_cell: tuple[str, ...] = ()
    fit: FitConfig = field(default_factory=FitConfig)


def train_atlas(
    reference: str | os.PathLike[str] | Any,
    out: str | os.PathLike[str],
    config: AtlasConfig | None = None,
    *,
    report: Callable[[Progress], None] | None = None,
    **changes: Any,
) -> Path:
    """Train on annotated counts and write one atlas file.

    A run that was killed goes on from ``<out>.checkpoint`` when it is started again with the
    same data and settings.

    Parameters
    ----------
    reference
        A path, an AnnData, or anything else that the runtime maps, or a list of them. Counts
        are read in blocks, and stay on disk where those of the panel are many.
    out
        The atlas file; written in one step.
    config
        What to make.
    report
        Called after each epoch, and each few seconds.
    **changes
        Single settings by name, of `AtlasConfig` or `FitConfig`: ``labels="cell_type"``,
        ``seed=1``.

    Returns
    -------
    Path
        Of the atlas.

    Raises
    ------
    InputError
        The reference does not hold raw counts, or lacks a column.
    TrainingError
        Too few cells, or training or export failed.
    OutputError
        The atlas cannot be written.
    """
    how = with_changes(config or AtlasConfig(), changes)
    out = Path(out)
    connect(how.fit.device, how.fit.precision)
    if not is_first():
        follow(how.fit)
        return out
    several = reference if isinstance(reference, list) else [reference]
    paths = [Path(one) for one in several if isinstance(one, str | os.PathLike)]
    check_place(out, paths)
    if (how.ontology is None) != (how.label_ids is None):
        raise TrainingError(
            "An ontology needs the column with the labels' terms, and it an ontology."
        )
    annotations = (*how.label_tree, *([how.label_ids] if how.label_ids else []))
    cells = read_reference(several, how.labels, how.batch, how.layer, annotations)
    for path in paths:
        # an atlas is given away; where its maker keeps the data is nobody's business
        described = cells.description.replace(f"{path.parent}{os.sep}", "")
        cells = replace(cells, description=described)
    if how.name is None:
        how = replace(how, name=out.name.removesuffix(".cellport"))
    if report is not None:
        for note in cells.notes:
            report(Progress(0, 1, {}, part="reading", note=note))
    manifest, members = build_atlas(cells, how, _checkpoint(out), report)
    dismiss(how.fit)
    write_atlas_file(out, manifest, members)
    saved = _checkpoint(out).name
    # a process that was killed while it saved left a hidden beginning
    for left in (*out.parent.glob(f"{saved}*"), *out.parent.glob(f".{saved}*.part")):
        left.unlink()
    return out


def build_atlas(
    reference: Reference,
    how: AtlasConfig,
    checkpoint: Path | None = None,
    report: Callable[[Progress], None] | None = None,
) -> tuple[Manifest, dict[str, bytes]]:
    """Train, calibrate and export; return the manifest and members of an atlas."""
    if reference.counts.shape[0] < _FEWEST_CELLS:
        raise TrainingError(
            f"{reference.description} has {reference.counts.shape[0]} cells; "
            f"training needs at least {_FEWEST_CELLS}."
        )
    tell = _reading(reference, report)
    genes = select_panel(reference.counts, reference.batch, how.n_genes, partial(tell, 0))
    if not len(genes):
        raise TrainingError(f"{reference.description}: no gene was chosen; all counts are zero.")
    n_cells = reference.counts.shape[0]
    parts = chunks(reference.counts, genes, partial(tell, 2 * n_cells))
    scratch = checkpoint and checkpoint.with_name(f"{checkpoint.name}.counts")
    with panel_counts(parts, (n_cells, len(genes)), scratch) as counts:
        held_out = hold_out(
            reference.label,
            held_out_share(len(reference.label)),
            np.random.default_rng(how.fit.seed),
        )
        cells = TrainingCells(
            counts=counts,
            label=reference.label,
            batch=reference.batch,
            n_labels=len(reference.labels),
            n_batches=len(reference.batches),
            held_out=held_out,
        )
        return _build(reference, genes, cells, how, checkpoint, report)


def _reading(
    reference: Reference, report: Callable[[Progress], None] | None
) -> Callable[[int, int], None]:
    """Report cells that have passed, of the three times that each one does."""
    total = 3 * reference.counts.shape[0]

    def tell(before: int, done: int) -> None:
        if report is not None:
            report(Progress(before + done, total, {}, part="reading", unit="cell"))

    return tell


def _build(
    reference: Reference,
    genes: NDArray[np.int64],
    cells: TrainingCells,
    how: AtlasConfig,
    checkpoint: Path | None,
    report: Callable[[Progress], None] | None,
) -> tuple[Manifest, dict[str, bytes]]:
    model = fit(cells, how.fit, checkpoint, report)
    latent = encode_reference(model, cells)
    unseen = answers_for_unseen_batches(cells, how.fit, checkpoint, report)
    rules = _label_rules(reference, cells, model, unseen, how)
    easing = fit_easing(unseen.novelty_p if unseen else ())
    layout, layout_scores = learn_layout(model, cells, latent, how.fit)
    known = Annotated(reference.label, reference.labels, reference.cell_names, cells.held_out)
    roots = RootChoice(tuple(how.root), tuple(how.root_cell))
    structure = fit_structure(model, latent, known, roots, how.fit.seed)
    names = name_genes(reference.gene_columns, genes, how.organism)
    manifest = atlas_manifest(
        reference,
        names,
        rules,
        structure.summary,
        how.fit,
        name=how.name or "atlas",
        licence=how.licence,
        target=model.encoder.normalise.target_sum,
        training={
            "label_column": how.labels or "",
            "batch_column": how.batch or "",
            "novelty_easing": round(easing, 4),
            "layout": layout_scores,
            "trajectory": structure.summary.get("trajectory", "none"),
        },
    )
    novelty = fit_novelty(model, cells, how.fit.seed, easing)
    members = export_members(
        model, cells, latent, rules.calibration, novelty, layout, structure.head, how.fit.seed
    )
    placed = place(layout, latent)
    members |= reference_members(reference, latent, placed, how.fit.seed)
    along = along_trajectory(model, structure.head, structure.summary, latent, placed)
    members |= {f"arrays/{name}.npy": npy_bytes(array) for name, array in along.items()}
    members["README.md"] = write_card(manifest).encode()
    return manifest, members


def encode_reference(model: CountVAE, cells: TrainingCells) -> NDArray[np.float32]:
    """Latent mean of the reference itself, float32 [cells, latent]."""
    n_cells = cells.counts.shape[0]
    # into one array: many small ones among the large ones of each step would scatter the heap,
    # a gigabyte for half a million cells
    latent = np.empty((n_cells, model.config.n_latent), np.float32)
    features_of = feature_maker(model.encoder)
    with torch.inference_mode():
        for start in range(0, n_cells, 1024):
            features = torch.from_numpy(features_of(cells.counts[start : start + 1024]))
            latent[start : start + 1024] = model.encoder.tail(features).mean.numpy()
    return latent


def with_changes(config: AtlasConfig, changes: dict[str, Any]) -> AtlasConfig:
    """Return the settings with some of them changed by name, whichever class they are in."""
    known = AtlasConfig.__dataclass_fields__
    of_fit = {name: value for name, value in changes.items() if name not in known}
    unknown = sorted(set(of_fit) - set(FitConfig.__dataclass_fields__))
    if unknown:
        raise TypeError(f"train_atlas has no setting {', '.join(unknown)}")
    own = {name: value for name, value in changes.items() if name in known}
    config = replace(config, **own)
    return replace(config, fit=replace(config.fit, **of_fit))


def _label_rules(
    reference: Reference,
    cells: TrainingCells,
    model: CountVAE,
    unseen: Unseen | None,
    how: AtlasConfig,
) -> LabelRules:
    if not cells.n_labels:
        return LabelRules()
    return fit_label_rules(
        unseen,
        answers_for_held_out_cells(model, cells, how.fit),
        reference.labels,
        named_groups(reference, how.label_tree, how.ontology, how.label_ids),
    )


def _checkpoint(out: Path) -> Path:
    return out.with_name(f"{out.name}.checkpoint")
