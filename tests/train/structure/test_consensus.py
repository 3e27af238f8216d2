from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from cellport.train.structure import consensus
from cellport.train.structure.consensus import ConsensusConfig, fit_consensus
from cellport.train.structure.roots import among_cells


def _fork(n: int, noise: float, seed: int = 0) -> tuple[NDArray, NDArray]:
    """A stem that forks in eight dimensions: latent, and way from the stem's start."""
    rng = np.random.default_rng(seed)
    way, arm = rng.uniform(0, 10, n), rng.integers(0, 2, n)
    beyond = np.maximum(way - 5, 0)
    place = np.zeros((n, 8))
    place[:, 0] = way - 0.3 * beyond
    place[:, 1] = np.where(arm, 1, -1) * beyond
    return (place + rng.normal(0, noise, place.shape)).astype(np.float32), way


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_time_rises_along_every_lineage_from_0_to_1(seed: int) -> None:
    latent, way = _fork(700, 0.3, seed)
    found = fit_consensus(latent, among_cells(way < 0.3), seed)
    lineages = found.lineages
    assert len(lineages.terminal) == 2
    assert lineages.time.min() == 0
    assert lineages.time.max() == pytest.approx(1)
    latest = {0: 0.0}
    for number, (start, end) in enumerate(lineages.edges):
        time = lineages.time[lineages.edge == number]
        time = time[np.argsort(lineages.fraction[lineages.edge == number], kind="stable")]
        assert (np.diff(time) >= -1e-9).all()
        assert time[0] >= latest[start] - 1e-9
        latest[end] = time[-1]


def test_what_one_fit_has_alone_is_outvoted(monkeypatch: pytest.MonkeyPatch) -> None:
    latent, way = _fork(700, 0.3)
    whole, calls = consensus.fit_backbone, []

    def one_fit_without_the_branch(part: NDArray, seed: int) -> tuple:
        calls.append(seed)
        on_stem = part[:, 1] > -1 if len(calls) == 1 else np.ones(len(part), bool)
        tree, diffused = whole(part[on_stem], seed)
        if len(calls) == 1:
            space = np.zeros((len(part), diffused.space.shape[1]))
            space[on_stem] = diffused.space
            space[~on_stem] = tree.vertex[0]
            diffused = consensus.replace(diffused, space=space)
        return tree, diffused

    monkeypatch.setattr(consensus, "fit_backbone", one_fit_without_the_branch)
    found = fit_consensus(latent, among_cells(way < 0.3), 0)
    assert len(calls) == ConsensusConfig().n_fits
    assert len(found.lineages.terminal) == 2


def test_fits_differ_more_where_fits_have_less_to_go_by() -> None:
    clear, way = _fork(900, 0.1)
    vague, _ = _fork(900, 1.2)
    root = among_cells(way < 0.5)
    sure, unsure = (fit_consensus(latent, root, 0).time_sd for latent in (clear, vague))
    assert sure.mean() < unsure.mean() / 2


def test_a_large_reference_is_fitted_in_parts_of_bounded_size() -> None:
    latent, way = _fork(6000, 0.2)
    found = fit_consensus(latent, among_cells(way < 0.2), 0, ConsensusConfig(n_fits=2))
    assert len(found.rows) == 3000
    assert len(found.curve.point_of_cell) == 3000


def test_sd_is_about_the_same_whatever_share_of_the_cells_the_fits_have() -> None:
    time_sd = []
    for share in (0.8, 0.3):
        of_seed = []
        for seed in range(3):
            latent, way = _fork(600, 0.4, seed)
            config = ConsensusConfig(share=share)
            found = fit_consensus(latent, among_cells(way < 0.3), seed, config)
            of_seed.append(np.median(found.time_sd))
        time_sd.append(np.mean(of_seed))
    # fits that share most cells differ by less than half as much
    assert 0.6 < time_sd[0] / time_sd[1] < 1.6


def test_a_vertex_that_is_nearest_to_no_cell_is_called_by_its_neighbours() -> None:
    apart = np.arange(40)[::-1].astype(float)
    assert consensus._nearest(apart, apart < 3).tolist() == [37, 38, 39]
    assert sorted(consensus._nearest(apart, apart < 0)) == list(range(25, 40))
