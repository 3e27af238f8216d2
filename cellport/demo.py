"""The demonstration: real lung cells, trained on one technology, mapped from another."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from cellport.runtime.base.files import plain_errors
from cellport.runtime.errors import AtlasError
from cellport.runtime.mapping.atlas import load_atlas
from cellport.runtime.mapping.verify import verify_atlas
from cellport.runtime.sources import open_source

if TYPE_CHECKING:
    from cellport.runtime.atlas.manifest import Manifest
    from cellport.web.server.site import ExampleCells

REFERENCE_TECHNOLOGY = "10x_v2"
LABELS = "cell_type_coarse"
# of the sample's types that an atlas has to know
_FITS = 0.5
_ABOUT = "{cells} lung cells measured with Smart-seq2 (Travaglini et al. 2020)"
_UNWRITABLE = "{path} cannot be written: {system}."


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What the demonstration came to."""

    accuracy: float  # of the mapped cells whose type the reference has
    macro_f1: float  # of the same
    by_type: dict[str, tuple[int, int]]  # cells called right, and cells, by published type
    files: dict[str, str]  # what was written
    seconds: float  # in all


def run_demo(
    out: Path,
    seed: int,
    training: Callable[[], AbstractContextManager[Callable[[Any], None]]],
    on_progress: Callable[[str], None],
) -> DemoResult:
    """Train on the sample's 10x cells, map its Smart-seq2 cells, score and draw them.

    The atlas, the mapped cells and the picture are written to `out`, which is made when it is not
    there. `training` opens a progress bar; `on_progress` is called with a line before each step.
    """
    from cellport.picture import draw_labels
    from cellport.train.api import train_atlas
    from cellport.train.labels.scores import label_scores

    began = time.perf_counter()
    with plain_errors(out, _UNWRITABLE):
        out.mkdir(parents=True, exist_ok=True)
        reference, query = write_sample(out)
    on_progress(f"Training on lung cells measured with 10x: {reference}")
    with training() as on_training:
        path = train_atlas(
            reference,
            out / "lung-demo.cellport",
            labels=LABELS,
            batch="donor",
            licence="MIT",
            seed=seed,
            on_progress=on_training,
        )
    atlas = load_atlas(path)
    if not all(check.passed for check in verify_atlas(atlas.file)):
        raise AtlasError(f"{path} does not give the answers on this machine that it was made with.")
    on_progress(f"Mapping lung cells measured with Smart-seq2: {query}")
    mapping = atlas.map(query)
    mapped, picture = out / "lung_smartseq2_mapped.h5ad", out / "lung_smartseq2_mapped.png"
    mapping.write(mapped)

    truth = published_types(query)
    known = np.isin(truth, atlas.manifest.labels)
    found = mapping["cellport_label"]
    scores = label_scores(truth[known], found[known], mapping["cellport_prob"][known])
    by_type = {
        name: (int((found[truth == name] == name).sum()), int((truth == name).sum()))
        for name in sorted(set(truth))
    }
    with plain_errors(out, _UNWRITABLE):
        draw_labels(atlas, mapping, truth, picture)
    return DemoResult(
        accuracy=scores["accuracy"],
        macro_f1=scores["macro_f1"],
        by_type=by_type,
        files={"atlas": str(path), "mapped cells": str(mapped), "picture": str(picture)},
        seconds=round(time.perf_counter() - began, 1),
    )


def write_sample(folder: Path) -> tuple[Path, Path]:
    """Write the built-in sample as two files, 10x and Smart-seq2 cells."""
    reference, query = folder / "lung_10x.h5ad", folder / "lung_smartseq2.h5ad"
    with as_file(files("cellport") / "demo_data" / "lung_sample.h5ad") as path:
        with closing(open_source(path)) as source:
            is_reference = source.obs_column("technology") == REFERENCE_TECHNOLOGY
        with h5py.File(path) as sample:
            for out, cells in ((reference, is_reference), (query, ~is_reference)):
                with h5py.File(out, "w") as part:
                    _copy_cells(sample, np.flatnonzero(cells), part)
    return reference, query


def _copy_cells(sample: h5py.File, rows: NDArray[np.int64], part: h5py.File) -> None:
    """Copy some cells to another h5ad, with h5py alone: mapping goes without AnnData."""
    part.attrs.update(sample.attrs)
    for name in set(sample) - {"X", "obs"}:
        sample.copy(name, part)
    counts, indptr = part.create_group("X"), sample["X/indptr"][:]
    counts.attrs.update({**sample["X"].attrs, "shape": [len(rows), sample["X"].attrs["shape"][1]]})
    entries = np.concatenate([np.arange(indptr[row], indptr[row + 1]) for row in rows])
    for name in ("data", "indices"):
        values = sample["X"][name][:][entries]
        counts.create_dataset(name, data=values, compression="gzip")
    counts["indptr"] = np.append(0, np.cumsum(np.diff(indptr)[rows])).astype(indptr.dtype)
    part.create_group("obs").attrs.update(sample["obs"].attrs)
    for name, column in sample["obs"].items():
        if isinstance(column, h5py.Dataset):
            _put(part["obs"], name, column, column[:][rows])
            continue
        part["obs"].create_group(name).attrs.update(column.attrs)
        used, codes = np.unique(column["codes"][:][rows], return_inverse=True)
        _put(part["obs"][name], "categories", column["categories"], column["categories"][:][used])
        _put(part["obs"][name], "codes", column["codes"], codes.astype(column["codes"].dtype))


def _put(group: h5py.Group, name: str, like: h5py.Dataset, values: NDArray[Any]) -> None:
    group.create_dataset(name, data=values, dtype=like.dtype).attrs.update(like.attrs)


def published_types(query: Path) -> NDArray[np.object_]:
    """Type of each cell as its authors published it."""
    with closing(open_source(query)) as source:
        return source.obs_column(LABELS)


def demo_example(manifest: Manifest) -> ExampleCells | None:
    """Return the sample's Smart-seq2 cells to try an atlas with; None where they do not fit it."""
    with as_file(files("cellport") / "demo_data" / "lung_sample.h5ad") as path:
        types = set(published_types(path))
    known = {*manifest.labels, *manifest.parents.values()}
    if manifest.organism != "human" or len(types & known) < _FITS * len(types):
        return None
    from cellport.web.server.site import ExampleCells

    with TemporaryDirectory() as folder:
        _, query = write_sample(Path(folder))
        about = _ABOUT.format(cells=len(published_types(query)))
        return ExampleCells(query.name, about, query.read_bytes())
