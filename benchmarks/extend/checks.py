"""What else docs/extend.md says: poor cells, known types under another name, cells drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from benchmarks.extend.cases import DATASETS, GENES, Case
from benchmarks.shared.data import strings
from cellport.runtime.atlas.file import AtlasFile, open_atlas_file
from cellport.runtime.mapping.atlas import Atlas
from cellport.train.api import train_atlas
from cellport.train.extend.api import extend
from cellport.train.extend.cells import Columns, read_cells
from cellport.train.extend.drawn import draw_cells
from cellport.train.extend.fit import NewCells, fit_extension
from cellport.train.extend.seen import Encoder

Labels = NDArray[np.object_]
# known cells of which technology an atlas is trained on, to be extended by those of the others
_TECHNOLOGIES = {"cell lines": "10x", "lung": "10x_v2"}


def _thinned(counts: int) -> Callable[[anndata.AnnData], anndata.AnnData]:
    def thin(cells: anndata.AnnData) -> anndata.AnnData:
        rng, poor = np.random.default_rng(counts), cells.copy()
        whole = cells.X.tocsr().copy()
        library = np.asarray(whole.sum(axis=1)).ravel()
        kept = np.repeat(np.minimum(1, counts / library), np.diff(whole.indptr))
        whole.data = rng.binomial(whole.data.astype(np.int64), kept).astype(np.float32)
        poor.X = whole
        return poor

    return thin


def _short(share: float) -> Callable[[anndata.AnnData], anndata.AnnData]:
    return lambda cells: cells[:, np.random.default_rng(0).random(cells.n_vars) < share].copy()


POORER: dict[str, Callable[[anndata.AnnData], anndata.AnnData]] = {
    "as they are": lambda cells: cells,
    "1,000 counts": _thinned(1000),
    "300 counts": _thinned(300),
    "100 counts": _thinned(100),
    "half of the genes": _short(0.5),
    "a fifth of the genes": _short(0.2),
}


def poor_cells(case: Case, folder: Path) -> list[dict[str, Any]]:
    """Macro-F1 over known types, and recall of the added one, where asked cells are poor."""
    out = folder / "poor.extended"
    new = case.cells[case.new_cells(100)].copy()
    extend(case.trained(folder, 0), new, out, labels=DATASETS[case.dataset].label)
    atlases = {"extended": Atlas(open_atlas_file(out))}
    atlases["trained"] = Atlas(open_atlas_file(case.trained(folder, 100)))
    asked = case.cells[case.asked & (case.label != case.unknown)]
    label = strings(asked, DATASETS[case.dataset].label)
    rows = []
    for name, poorer in POORER.items():
        cells = poorer(asked.copy())
        row: dict[str, Any] = {"cells": name}
        for which, atlas in atlases.items():
            best = np.asarray(atlas.map(cells, minimum_genes=0.05)["cellport_label"], object)
            row[which] = _scores(label, best) | {"recall": _share(best, label, case.added)}
        rows.append(row)
    out.unlink()
    return rows


def _scores(label: Labels, best: Labels) -> dict[str, float]:
    names = np.unique(label.astype(str))
    f1 = f1_score(label, best, average="macro", labels=names, zero_division=0)
    return {"macro_f1": round(float(f1), 4)}


def _share(best: Labels, label: Labels, name: str) -> float:
    return round(float((best[label == name] == name).mean()), 4)


def twins(case: Case, folder: Path) -> Iterator[dict[str, Any]]:
    """Known types under another name: cells that the atlas was not trained on, 20 and 100."""
    atlas = open_atlas_file(case.trained(folder, 0))
    encoder, n_old = Encoder(atlas), len(atlas.manifest.labels)
    for name in atlas.manifest.labels:
        rows = np.flatnonzero(case.asked & (case.label == name))
        for number in (20, 100):
            if len(rows) < number and not (number == 100 and len(rows) >= 50):
                continue
            some = np.random.default_rng(0).permutation(rows)[:number]
            how = Columns(labels=DATASETS[case.dataset].label)
            cells = read_cells(atlas, case.cells[some].copy(), how).cells
            twin = NewCells(cells.counts, np.full(len(some), n_old), cells.measured)
            one = fit_extension(encoder, twin, 0).judged[0]
            found = {"recall": round(one.recall, 4), "auroc": round(one.auroc, 4)}
            yield {"dataset": case.dataset, "type": name, "cells": len(some), **found}


def drawn_like(case: Case, folder: Path) -> dict[str, Any]:
    """How like the reference's cells those are that its decoder draws."""
    atlas = open_atlas_file(case.trained(folder, 0))
    encoder, drawn = Encoder(atlas), draw_cells(atlas, 0)
    every = np.ones(atlas.manifest.n_genes, np.bool_)
    known = np.isin(case.label, atlas.manifest.labels) & ~case.asked
    how = Columns(labels=DATASETS[case.dataset].label)
    given = read_cells(atlas, case.cells[known].copy(), how).cells
    made, true = (
        encoder.see(drawn.counts, every, drawn.noise),
        encoder.see(given.counts, given.measured),
    )
    spread = {
        "latent": (made.answers["latent"], true.answers["latent"]),
        "features": (made.features, true.features),
    }
    return {
        "dataset": case.dataset,
        "cells": len(drawn.label),
        "right_drawn": round(float((made.prob.argmax(axis=1) == drawn.label).mean()), 4),
        "right_true": round(float((true.prob.argmax(axis=1) == given.code).mean()), 4),
        **{
            f"spread_{name}": round(_ratio(a, drawn.label, b, given.code), 4)
            for name, (a, b) in spread.items()
        },
    }


def _ratio(
    drawn: NDArray[np.floating],
    drawn_label: NDArray[np.int64],
    true: NDArray[np.floating],
    label: NDArray[np.int64],
) -> float:
    """Median ratio of the spread within labels, drawn over true."""
    return float(np.median(_within(drawn, drawn_label) / _within(true, label)))


def _within(values: NDArray[np.floating], label: NDArray[np.int64]) -> NDArray[np.floating]:
    codes, at = np.unique(label, return_inverse=True)
    of_label = sp.csr_matrix((np.ones(len(at)), (at, np.arange(len(at)))), (len(codes), len(at)))
    mean = (of_label @ values) / np.bincount(at)[:, np.newaxis]
    spread: NDArray[np.floating] = (values - mean[at]).std(axis=0) + 1e-9
    return spread


def moved(folder: Path) -> Iterator[dict[str, Any]]:
    """Known types from other technologies: half of the cells are given, the other half asked."""
    for name, technology in _TECHNOLOGIES.items():
        how = DATASETS[name]
        cells = how.read()
        own = (cells.obs["technology"] == technology).to_numpy()
        path, out = folder / f"{name.replace(' ', '_')}-{technology}.cellport", folder / "moved"
        if not path.exists():
            train_atlas(cells[own].copy(), path, labels=how.label, n_genes=GENES, device="cpu")
        atlas = open_atlas_file(path)
        label = strings(cells, how.label)
        others = np.flatnonzero(~own & np.isin(label, atlas.manifest.labels))
        given = np.random.default_rng(0).random(len(others)) < 0.5
        made = extend(path, cells[others[given]].copy(), out, labels=how.label)
        asked = cells[others[~given]].copy()
        truth = label[others[~given]]
        yield {
            "dataset": name,
            "given": int(given.sum()),
            "before": _asked(atlas, asked, truth),
            "after": _asked(open_atlas_file(made.path), asked, truth),
        }
        out.unlink()


def _asked(atlas: AtlasFile, cells: anndata.AnnData, truth: Labels) -> dict[str, float]:
    return _scores(truth, np.asarray(Atlas(atlas).map(cells)["cellport_label"], object))
