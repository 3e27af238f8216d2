from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given
from hypothesis import strategies as st

from cellport.models.novelty import GroupDistance
from cellport.models.vae import CountVAE
from cellport.train.cells import TrainingCells
from cellport.train.config import FitConfig
from cellport.train.degrade import Degradation
from cellport.train.fit.loop import fit
from cellport.train.infer import TrainedEncoder, infer
from cellport.train.novelty import (
    Novelty,
    by_depth,
    fit_groups,
    fit_novelty,
    fit_p_exponent,
    novelty_p,
    of_all_batches,
)

CONFIG = FitConfig(n_latent=6, n_hidden=24, epochs=12, batch_size=32, device="cpu")
GENES = 80
TYPES = 4


def _cells(n: int, types: list[int], seed: int, depth: float = 600) -> tuple[Any, np.ndarray]:
    profile = np.random.default_rng(7).gamma(0.4, 1.0, (TYPES, GENES))
    profile /= profile.sum(axis=1, keepdims=True)
    rng = np.random.default_rng(seed)
    label = rng.choice(types, n)
    size = rng.lognormal(np.log(depth), 0.3, (n, 1))
    return sp.csr_matrix(rng.poisson(profile[label] * size).astype(np.float32)), label


def _novelty(model: CountVAE, cells: TrainingCells, p_exponent: float = 1.0) -> Novelty:
    return fit_novelty(infer(model, cells, seed=0), p_exponent)


@pytest.fixture(scope="module", params=[True, False], ids=["labels", "no labels"])
def trained(request: pytest.FixtureRequest) -> Any:
    counts, label = _cells(400, [0, 1, 2], 0)
    label = label if request.param else np.full(400, -1)
    cells = TrainingCells(
        counts=counts,
        label=label.astype(np.int64),
        batch=np.zeros(400, np.int64),
        n_labels=3 if request.param else 0,
        n_batches=1,
        held_out=np.arange(0, 400, 4),
    )
    model = fit(cells, CONFIG)
    return model, cells, _novelty(model, cells)


def test_known_cells_are_usual_and_an_unseen_type_is_not(trained: Any) -> None:
    model, _, novelty = trained
    known, strange = _cells(300, [0, 1, 2], 1)[0], _cells(300, [3], 2)[0]
    p, strange_p = (
        novelty_p(TrainedEncoder(model), novelty, some.toarray()) for some in (known, strange)
    )
    assert (p < 0.05).mean() < 0.13
    assert 0.3 < np.median(p) < 0.7
    assert (strange_p < 0.05).mean() > 0.8


@pytest.mark.parametrize("depth", [120, 300])
def test_shallow_cells_are_not_novel_for_that(trained: Any, depth: float) -> None:
    model, _, novelty = trained
    shallow = _cells(300, [0, 1, 2], 3, depth)[0]
    assert (novelty_p(TrainedEncoder(model), novelty, shallow.toarray()) < 0.05).mean() < 0.15


def test_cells_that_lack_genes_are_not_novel_for_that(trained: Any) -> None:
    model, _, novelty = trained
    counts = _cells(300, [0, 1, 2], 4)[0].toarray()
    counts[:, ::2] = np.nan
    assert (novelty_p(TrainedEncoder(model), novelty, counts) < 0.05).mean() < 0.2


def test_the_strangest_cells_are_told_apart(trained: Any) -> None:
    model, _, novelty = trained
    strange = _cells(200, [3], 2, 2000)[0].toarray()
    p = novelty_p(TrainedEncoder(model), novelty, strange)
    assert len(np.unique(p)) > 150
    assert p.min() < 1e-4


def test_the_same_seed_gives_the_same_table(trained: Any) -> None:
    model, cells, novelty = trained
    again = _novelty(model, cells)
    for name, array in novelty.arrays.items():
        assert array.dtype == np.float32
        np.testing.assert_array_equal(again.arrays[name], array)


@given(st.lists(st.floats(1, 8), min_size=1, max_size=4), st.integers(100, 3000))
def test_known_cells_of_left_out_batches_look_as_usual_as_they_are(
    shift: list[float], n: int
) -> None:
    """5 % of them below 0.05, each group of batches counting alike whatever its size."""
    rng = np.random.default_rng(0)
    p = [rng.random(n * (i + 1)).astype(np.float32) ** power for i, power in enumerate(shift)]
    exponent = fit_p_exponent(p)
    # the root of the power at which 5 % are below
    below = np.mean([(one.astype(float) ** exponent**2 < 0.05).mean() for one in p])
    assert below == pytest.approx(0.05, abs=0.011) or exponent in (np.sqrt(0.1), 1)


def test_the_exponent_never_makes_cells_stranger_and_has_a_usual_value() -> None:
    assert fit_p_exponent([np.linspace(0.2, 1, 50, dtype=np.float32)]) == 1
    assert 0.3 < fit_p_exponent([]) < 1


def test_p_values_are_raised_to_that_power(trained: Any) -> None:
    model, cells, novelty = trained
    raised = _novelty(model, cells, p_exponent=0.6)
    counts = _cells(50, [0, 3], 2)[0].toarray()
    p, raised_p = (novelty_p(TrainedEncoder(model), one, counts) for one in (novelty, raised))
    np.testing.assert_allclose(raised_p, p**0.6, rtol=1e-4)


def test_a_reference_too_small_to_spare_cells_has_a_table_too() -> None:
    counts, label = _cells(25, [0, 1], 5)
    cells = TrainingCells(
        counts, label.astype(np.int64), np.zeros(25, np.int64), 2, 1, np.empty(0, np.int64)
    )
    config = FitConfig(n_latent=3, n_hidden=8, epochs=1, device="cpu", degradation=Degradation())
    arrays = _novelty(fit(cells, config), cells).arrays
    assert all(np.isfinite(array).all() for array in arrays.values())


def test_groups_are_measured_in_their_own_spread() -> None:
    """A shift of one within-group deviation counts alike along wide and narrow directions."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(4000, 2)).astype(np.float32) * np.float32([10, 1])
    distance = GroupDistance(fit_groups(values, np.zeros(4000, np.int64), values))
    wide, narrow = distance(torch.tensor([[30.0, 0.0], [0.0, 3.0]]))
    ratio = (wide**2 - 1) / (narrow**2 - 1)
    # the second direction has the lower weight, 1 / (j + 30), and the ridge of its covariance
    assert ratio.item() == pytest.approx(31 / 30 * 1.05, rel=0.07)


def test_depths_ascend_where_cells_of_one_depth_fill_several_rows() -> None:
    """Means of equal numbers round differently, and a table that descends is refused."""
    library = np.full(2_003, 7, np.float32)
    found = [by_depth(library, np.arange(2_003.0), bins)[0] for bins in range(2, 30)]
    assert all((np.diff(depth) >= 0).all() for depth in found)


@given(st.lists(st.integers(1, 80), min_size=1, max_size=6), st.integers(0, 2**20))
def test_cells_of_every_batch_say_what_is_usual(sizes: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    batch = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    held_out = np.sort(rng.choice(len(batch), max(1, len(batch) // 5), replace=False))
    none = np.full(len(batch), -1)
    counts = sp.csr_matrix((len(batch), 3), dtype=np.float32)
    cells = TrainingCells(counts, none, batch, 0, len(sizes), held_out)
    found = of_all_batches(cells, 20, rng)
    assert set(held_out) <= set(found)
    assert len(np.unique(found)) == len(found) <= 2 * len(held_out)
    before, after = (np.bincount(batch[rows], minlength=len(sizes)) for rows in (held_out, found))
    # nothing is added where enough was held out, and no batch gets more than it lacks
    assert (after[before >= 20] == before[before >= 20]).all()
    assert (after <= np.maximum(before, np.minimum(20, sizes))).all()
    room = np.maximum(20 - before, 0).sum()
    if room <= len(held_out):
        assert (after == np.maximum(before, np.minimum(20, sizes))).all()
