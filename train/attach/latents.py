"""Reference cells of which only a model's own latents are left, as scvi-tools minifies them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cellport.models.feature_layout import FeatureLayout
from cellport.models.novelty import LayerGroups, NoveltyScore, NoveltySignals
from cellport.runtime.atlas.novelty_table import novelty_p_values
from cellport.runtime.atlas.session import open_session
from cellport.runtime.atlas.trajectory import LIBRARY
from cellport.runtime.convert.models.recognise import Model
from cellport.runtime.convert.models.scvi import ScviModel
from cellport.runtime.convert.write import Conversion
from cellport.runtime.errors import InputError
from cellport.runtime.sources import CountSource, open_source
from cellport.train.cells import TrainingCells, at_random
from cellport.train.labels.left_out import LeftOutAnswers, LeftOutConfig, batch_folds
from cellport.train.novelty import (
    FEWEST_HELD_OUT,
    P_LEVELS,
    Layers,
    Novelty,
    NoveltyConfig,
    by_depth,
    fit_groups,
    fit_p_exponent,
    fit_score,
    groups_of_cells,
)

# as scvi-tools 0.20 to 1.4 name them (data/_constants.py, model/_scvi.py, _scanvi.py)
_MINIFIED, _UUID = "_scvi_adata_minify_type", "_scvi_uuid"
_ALONE = "latent_posterior_parameters"
_LEFT_OUT, _NOVELTY = LeftOutConfig(), NoveltyConfig()
_PREFIXES = {"SCVI": "scvi", "SCANVI": "scanvi", "LinearSCVI": "ldvae"}
# cells of a label whose profile is drawn from the decoder
_DRAWN = 200
# cells that make a row of the table by depth
_A_ROW = 50


@dataclass(frozen=True, slots=True)
class Latents:
    """What is left of each reference cell."""

    mean: NDArray[np.float32]  # float32 [cells, latent], of the posterior, before any ending
    library: NDArray[np.float32]  # float32 [cells], counts of the model's genes; NaN if not said


def read_latents(sources: Sequence[Any], model: Model, layer: str | None) -> Latents | None:
    """Read the latents of minified cells; None where there are counts.

    Raises
    ------
    InputError
        They are of another model, or there are counts in some sources only.
    """
    found = [_of_source(source, model, layer) for source in sources]
    there = [one for one in found if one is not None]
    if not there:
        return None
    if len(there) < len(found):
        raise InputError(
            "Some of the references hold counts and others only latents, as scvi-tools minifies "
            "them: give the ones or the others."
        )
    mean = np.concatenate([one.mean for one in there])
    return Latents(mean, np.concatenate([one.library for one in there]))


def _of_source(source: Any, model: Model, layer: str | None) -> Latents | None:
    with closing(open_source(source, layer=layer)) as opened:
        if layer is not None or opened.beside.text(_MINIFIED) != _ALONE:
            return None
        where = opened.description.rpartition(",")[0] or opened.description
        return _checked(opened, model, where)


def _checked(opened: CountSource, model: Model, where: str) -> Latents:
    held = f"{where} holds latents of a model of scvi-tools in place of counts (minify_adata)"
    if not isinstance(model, ScviModel):
        raise InputError(f"{held}, which say nothing to this model: give cells with their counts.")
    prefix = _PREFIXES[model.kind]
    means = (opened.beside.matrix(f"{start}{prefix}_latent_qzm") for start in ("", "_"))
    mean = next((one for one in means if one is not None), None)
    width, uuid = len(model.mean.bias), opened.beside.text(_UUID)
    other = ""
    if mean is None:
        other = f"it has none of a model of the kind {model.kind}"
    elif mean.shape != (opened.n_cells, width):
        other = f"they have {mean.shape[1]} dimensions and the model's {width}"
    elif uuid and model.uuid and uuid != model.uuid:
        other = "the ids by which scvi-tools joins model and cells differ"
    elif not np.isfinite(mean).all():
        other = "some are no finite numbers"
    if other or mean is None:
        raise InputError(
            f"{held}, but not of this one: {other}. Give the cells that were saved with the model "
            "(save_anndata=True), or cells with their counts."
        )
    return Latents(mean, _library(opened, prefix))


def _library(opened: CountSource, prefix: str) -> NDArray[np.float32]:
    for name in ("observed_lib_size", f"_{prefix}_observed_lib_size"):
        try:
            return opened.obs_column(name).astype(np.float32)
        except (InputError, ValueError):
            continue
    return np.full(opened.n_cells, np.nan, np.float32)


def answers_of_latents(
    logits: NDArray[np.float32], cells: TrainingCells, seed: int
) -> LeftOutAnswers | None:
    """Answers for labelled cells, by group of batches as `answers_by_batch` has them.

    Nothing can be degraded: each cell stands there twice as it is. None without any.
    """
    fold_of = batch_folds(cells.batch, _LEFT_OUT.folds)
    parts = []
    for number in range(int(fold_of.max()) + 1):
        rng = np.random.default_rng([seed, number])
        inside = np.flatnonzero((fold_of == number) & (cells.label >= 0))
        parts.append(at_random(inside, _LEFT_OUT.most_judged, rng))
    rows = np.concatenate(parts)
    if not len(rows):
        return None
    twice = np.tile(rows, 2)
    degraded = np.repeat([False, True], len(rows))
    return LeftOutAnswers(logits[twice], cells.label[twice], fold_of[twice], degraded)


def novelty_of_latents(
    latent: NDArray[np.float32],
    logits: NDArray[np.float32],
    library: NDArray[np.float32],
    cells: TrainingCells,
    seed: int,
) -> Novelty:
    """Fit novelty to the latent and the doubt of labels alone, as `fit_novelty` does to all layers.

    Cells are compared with held-out cells of like depth; the depths are those that they have, and
    nothing is known of cells that lack genes.

    Parameters
    ----------
    latent, logits
        float32 [cells, latent] and [cells, labels].
    library
        float32 [cells], counts of the model's genes; NaN where not known.
    """
    rng = np.random.default_rng(seed)
    group = groups_of_cells(cells.label, latent, logits, seed)
    seen = _Seen(latent, logits, group, np.nan_to_num(library))
    left_out = _left_out(seen, cells, rng)
    held_out, trained = cells.held_out, cells.trained
    judged = held_out if len(held_out) >= FEWEST_HELD_OUT else trained
    return _fitted(seen, trained, judged, fit_p_exponent(left_out), rng)


@dataclass(frozen=True, slots=True)
class _Seen:
    """Cells as the model sees them, [cells, ...] each, and the group of each."""

    latent: NDArray[np.float32]
    logits: NDArray[np.float32]
    group: NDArray[np.int64]
    library: NDArray[np.float32]  # 0 where not known


def _left_out(
    seen: _Seen, cells: TrainingCells, rng: np.random.Generator
) -> list[NDArray[np.float32]]:
    """P-values of the cells of each group of batches, of familiar groups, against the others."""
    fold_of = batch_folds(cells.batch, _LEFT_OUT.folds)
    found = []
    for number in range(int(fold_of.max()) + 1 if fold_of.any() else 0):
        inside = fold_of != number
        spared = cells.held_out[inside[cells.held_out]]
        trained = np.setdiff1d(np.flatnonzero(inside), spared)
        familiar = np.flatnonzero(np.bincount(seen.group[trained]) >= _LEFT_OUT.familiar)
        judged = np.flatnonzero(~inside & np.isin(seen.group, familiar))
        few = len(spared) < FEWEST_HELD_OUT or len(judged) < _LEFT_OUT.fewest_judged
        if few or inside.mean() < _LEFT_OUT.least_trained:
            continue
        fitted = _fitted(seen, trained, spared, 1.0, rng)
        score, library = _score(fitted.score, seen, judged), seen.library[judged]
        found.append(novelty_p_values(fitted.table, score, library, 1.0))
    return found


def _fitted(
    seen: _Seen,
    trained: NDArray[np.int64],
    judged: NDArray[np.int64],
    exponent: float,
    rng: np.random.Generator,
) -> Novelty:
    trained = at_random(trained, _NOVELTY.most_fitted, rng)
    judged = at_random(judged, _NOVELTY.most_judged, rng)
    code = np.unique(seen.group[trained], return_inverse=True)[1]
    groups = fit_groups(seen.latent[trained], code, seen.latent[judged])
    layers = LayerGroups(None, groups, None, torch.empty(0, dtype=torch.int64))
    signals = NoveltySignals(FeatureLayout(0, 0, 0), layers).eval()
    module = fit_score(signals, _layers(seen, judged))
    score, library = _score(module, seen, judged), seen.library[judged]
    depth, reached = by_depth(library, score, _bins(len(judged)))
    table = {
        "novelty_p": P_LEVELS,
        "novelty_share": (1.0,),
        "novelty_depth": [depth],
        "novelty_score": [reached],
    }
    arrays = {name: np.asarray(values, np.float32) for name, values in table.items()}
    arrays["novelty_p"] **= np.float32(exponent)
    return Novelty(module, arrays, exponent)


def _bins(n_judged: int) -> int:
    return min(_NOVELTY.bins, max(1, n_judged // _A_ROW))


def _layers(seen: _Seen, rows: NDArray[np.int64]) -> Layers:
    latent = seen.latent[rows]
    return latent[:, :0], latent, seen.logits[rows]


def _score(module: NoveltyScore, seen: _Seen, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    with torch.inference_mode():
        score: NDArray[np.float32] = module(*map(torch.from_numpy, _layers(seen, rows))).numpy()
    return score


def profiles_of_latents(
    made: Conversion,
    latent: NDArray[np.float32],
    library: NDArray[np.float32],
    cells: TrainingCells,
) -> NDArray[np.float32]:
    """Profile of each label as the decoder expects it, float32 [max(labels, 1), genes].

    Mean log(1 + counts per 10,000) of counts that are drawn for some of its cells; of all cells
    where there are none. Zeros where the model has no decoder that tells shares.
    """
    n_labels = max(cells.n_labels, 1)
    means = np.zeros((n_labels, made.network.panel.n_genes), np.float32)
    if "decoder.onnx" not in made.members:
        return means
    session = open_session(made.members["decoder.onnx"], "decoder.onnx", device="cpu")
    rng, n_batches = np.random.default_rng(0), len(made.manifest.batches)
    for code in range(n_labels):
        of_label = np.flatnonzero(cells.label == code) if cells.n_labels else cells.trained
        rows = at_random(of_label if len(of_label) else cells.trained, _DRAWN, rng)
        depth = library[rows, np.newaxis]
        inputs = {
            "latent": latent[rows],
            "batch": np.full((len(rows), n_batches), 1 / n_batches, np.float32),
            "library": np.where(depth > 0, depth, LIBRARY).astype(np.float32),
        }
        (expected,) = session.run(["counts"], inputs)
        counts = rng.poisson(expected)
        total = np.maximum(counts.sum(axis=1, keepdims=True), 1)
        means[code] = np.log1p(counts * (LIBRARY / total)).mean(axis=0)
    return means
