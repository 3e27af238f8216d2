"""Counts in, one atlas file out."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

from cellport.runtime.atlas.file import write_atlas_file
from cellport.runtime.base.files import check_place
from cellport.train.build import build_atlas
from cellport.train.config import AtlasConfig, AtlasSettings, with_settings
from cellport.train.fit.loop import dismiss, follow
from cellport.train.fit.processes import connect, is_first
from cellport.train.progress import OnProgress, Progress, unwatched
from cellport.train.reference.reference import Reference, read_reference, without_folders


def train_atlas(
    reference: str | os.PathLike[str] | Any,
    out: str | os.PathLike[str],
    config: AtlasConfig | None = None,
    *,
    on_progress: OnProgress = unwatched,
    **settings: Unpack[AtlasSettings],
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
    on_progress
        Called as cells are read, after each epoch, and each few seconds.
    **settings
        Single settings by name, of `AtlasConfig` or `FitConfig`: ``labels="cell_type"``,
        ``seed=1``.

    Returns
    -------
    Path
        ``out``.

    Raises
    ------
    InputError
        The reference does not hold raw counts, or lacks a column.
    TrainingError
        Too few cells, or training or export failed.
    OutputError
        The atlas cannot be written.

    Examples
    --------
    >>> cellport.train_atlas(
    ...     "reference.h5ad", "lung.cellport", labels="cell_type", batch="donor"
    ... )  # doctest: +SKIP
    """
    how = with_settings(config or AtlasConfig(), settings)
    out = Path(out)
    connect(how.fit.device, how.fit.precision)
    if not is_first():
        follow(how.fit)
        return out
    if how.name is None:
        how = replace(how, name=out.name.removesuffix(".cellport"))
    several = reference if isinstance(reference, list) else [reference]
    check_place(out, _paths(several))
    cells = _read(several, how)
    for note in cells.notes:
        on_progress(Progress(0, 1, {}, part="reading", note=note))
    checkpoint = out.with_name(f"{out.name}.checkpoint")
    manifest, members = build_atlas(cells, how, checkpoint, on_progress)
    dismiss(how.fit)
    write_atlas_file(out, manifest, members)
    # a process that was killed while it saved left a hidden beginning
    saved = checkpoint.name
    for left in (*out.parent.glob(f"{saved}*"), *out.parent.glob(f".{saved}*.part")):
        left.unlink()
    return out


def _read(references: list[Any], how: AtlasConfig) -> Reference:
    columns = (*how.label_tree, *([how.label_ids] if how.label_ids else []))
    cells = read_reference(references, how.labels, how.batch, how.layer, columns, how.genome)
    return without_folders(cells, _paths(references))


def _paths(references: list[Any]) -> list[Path]:
    return [Path(one) for one in references if isinstance(one, str | os.PathLike)]
