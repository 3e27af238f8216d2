from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.isotonic import IsotonicRegression

from cellport.models.feature_layout import FeatureLayout
from cellport.models.normalise import PanelNormaliser
from cellport.models.vae import CountVAE, ModelConfig
from cellport.runtime.errors import TrainingError
from cellport.train.cells import TrainingCells
from cellport.train.infer import Fitted
from cellport.train.structure.fit import CellAnnotation, Structure, check_roots, fit_structure
from cellport.train.structure.roots import RootChoice

DIMENSIONS = 8
NO_ROOT = RootChoice()
LABELS = ("stem", "middle", "left", "right", "other")


def _model() -> CountVAE:
    torch.manual_seed(0)
    normaliser = PanelNormaliser(torch.full((20,), 0.05), torch.zeros(20), torch.ones(20))
    config = ModelConfig(20, 1, FeatureLayout(2, 0, 0), n_hidden=8, n_latent=DIMENSIONS)
    return CountVAE(config, normaliser, torch.randn(20, 2)).eval()


def _fork(n: int, seed: int = 0, apart: float = 0.0) -> tuple[NDArray, NDArray, NDArray]:
    """A stem that forks: latent, label and way from the stem's start."""
    rng = np.random.default_rng(seed)
    way, arm = rng.uniform(0, 10, n), rng.integers(0, 2, n)
    place = np.zeros((n, DIMENSIONS))
    beyond = np.maximum(way - 5, 0)
    place[:, 0] = way - 0.3 * beyond
    place[:, 1] = np.where(arm, 1, -1) * beyond
    label = np.select([way < 2.5, way < 5.5, arm == 0], [0, 1, 2], 3)
    place += rng.normal(0, 0.25, place.shape) + apart
    return place.astype(np.float32), label, way


def _fitted(latent: NDArray, model: CountVAE) -> Fitted:
    code, held_out = np.zeros(len(latent), np.int64), np.arange(0, len(latent), 10)
    counts = sp.csr_matrix((len(latent), 20), dtype=np.float32)
    return Fitted(model, TrainingCells(counts, code, code, 0, 1, held_out), latent, 0)


def _named(label: NDArray) -> CellAnnotation:
    return CellAnnotation(label, LABELS, np.array([f"cell {i}" for i in range(len(label))], object))


def _fit(latent: NDArray, label: NDArray, roots: RootChoice = NO_ROOT) -> Structure:
    return fit_structure(_fitted(latent, _model()), _named(label), roots)


def _answers(structure: Structure, latent: NDArray) -> list[NDArray]:
    with torch.inference_mode():
        return [a.numpy() for a in structure.head(torch.from_numpy(latent))]


def test_unseen_cells_of_a_fork_are_placed_by_their_way() -> None:
    latent, label, _ = _fork(900)
    structure = _fit(latent, label, RootChoice(("stem",)))
    assert structure.summary["edges"] == [
        "stem -> middle", *sorted(structure.summary["edges"][1:])
    ] or len(structure.summary["edges"]) == 3  # fmt: skip
    assert sorted(structure.summary["terminal_states"]) == ["left", "right"]
    unseen, truth, way = _fork(400, seed=1)
    _, edge, fraction, time, sd, fate = _answers(structure, unseen)
    assert spearmanr(time, way).statistic > 0.97
    assert (edge.sum(axis=1) > 0.99).all()
    assert ((fraction >= 0) & (fraction <= 1)).all()
    np.testing.assert_allclose(fate.sum(axis=1), 1, atol=1e-4)
    terminals = structure.summary["terminal_states"]
    for code, name in ((2, "left"), (3, "right")):
        late = (truth == code) & (way > 7)
        assert fate[late, terminals.index(name)].mean() > 0.95
    assert abs(fate[way < 2].mean(axis=0) - 0.5).max() < 0.15
    assert (sd > 0).all()


def test_a_root_in_the_middle_gives_two_lineages() -> None:
    line = np.random.default_rng(0).normal(0, 0.2, (600, DIMENSIONS)).astype(np.float32)
    line[:, 0] += np.linspace(0, 12, 600)
    label = np.select([np.arange(600) < 250, np.arange(600) < 350], [2, 0], 3)
    structure = _fit(line, label, RootChoice(cells=("cell 300",)))
    assert sorted(structure.summary["edges"]) == ["stem -> left", "stem -> right"]
    time = _answers(structure, line)[3]
    assert time[300] < 0.2 < min(time[0], time[-1])
    (note,) = structure.summary["notes"]
    assert "the cell cell 300, which is no end of the trajectory: the nearest, " in note
    assert 0.9 < int(note.rpartition("%")[0].split()[-1]) / 100 <= 1
    assert "no end of the trajectory" in structure.summary["roots"][0]


@pytest.mark.parametrize("seed", range(4))
def test_any_cell_of_an_end_is_as_good_a_root_as_its_label(seed: int) -> None:
    """However oddly it lies: its neighbours say where it is."""
    latent, label, way = _fork(600, seed)
    rng = np.random.default_rng(seed)
    odd = int(rng.choice(np.flatnonzero(way < 1)))
    latent[odd] += rng.normal(0, 0.5, DIMENSIONS)
    structure = _fit(latent, label, RootChoice(cells=(f"cell {odd}",)))
    assert structure.summary["notes"] == []
    assert (np.array(structure.summary["edge_ends"])[:, 0] == 0).sum() == 1
    unseen, _, truth = _fork(400, seed + 10)
    assert spearmanr(_answers(structure, unseen)[3], truth).statistic > 0.97


def test_a_circle_is_a_circle() -> None:
    rng = np.random.default_rng(0)
    way = rng.uniform(0, 1, 1200)
    latent = rng.normal(0, 0.25, (1200, DIMENSIONS)).astype(np.float32)
    latent[:, 0] += 4 * np.cos(2 * np.pi * way)
    latent[:, 1] += 4 * np.sin(2 * np.pi * way)
    label = np.select([np.abs(way - 0.5) > 0.4, way < 0.4, way > 0.6], [0, 2, 3], 1)
    structure = _fit(latent[::2], label[::2], RootChoice(("stem",)))
    assert "circle" in structure.summary["trajectory"]
    ends = ["middle (one way round)", "middle (the other way round)"]
    assert sorted(structure.summary["terminal_states"]) == ends
    assert sorted(structure.summary["edges"]) == [f"stem -> {end}" for end in ends]
    names = structure.summary["milestones"]
    assert [sorted(names[i] for i in pair) for pair in structure.summary["same_place"]] == [ends]
    _, edge, _, time, _, _ = _answers(structure, latent[1::2])
    unseen = way[1::2]
    assert spearmanr(time, np.minimum(unseen, 1 - unseen)).statistic > 0.97
    left, right = (edge.argmax(axis=1)[label[1::2] == code] for code in (2, 3))
    assert max(np.bincount(left, minlength=2)) > 0.97 * len(left)
    assert max(np.bincount(right, minlength=2)) > 0.97 * len(right)
    assert np.bincount(left).argmax() != np.bincount(right).argmax()


def test_fitting_a_structure_leaves_the_model_as_it_was() -> None:
    latent, label, _ = _fork(300)
    model = _model()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    fit_structure(_fitted(latent, model), _named(label), NO_ROOT)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


def test_nine_of_ten_intervals_hold_the_truth() -> None:
    latent, label, way = _fork(900)
    structure = _fit(latent, label, RootChoice(("stem",)))
    unseen, _, truth = _fork(600, seed=1)
    time, sd = _answers(structure, unseen)[3:5]
    trained = _answers(structure, latent)[3]
    place = IsotonicRegression(out_of_bounds="clip").fit(way, trained).predict(truth)
    inside = np.abs(time - place) <= 1.645 * sd
    assert 0.85 < inside.mean() < 0.995


def test_islands_have_clusters_and_no_trajectory() -> None:
    rng = np.random.default_rng(0)
    island = np.arange(600) % 4
    centre = rng.normal(0, 4, (4, DIMENSIONS))
    latent = (centre[island] + rng.normal(0, 0.4, (600, DIMENSIONS))).astype(np.float32)
    structure = _fit(latent, island)
    assert "hang together" in structure.summary["no_trajectory"]
    (cluster,) = _answers(structure, latent)
    assert cluster.shape[1] == 4
    assert len({(i, c) for i, c in zip(island, cluster.argmax(axis=1), strict=True)}) == 4


def test_a_ball_of_cells_has_no_trajectory() -> None:
    latent = np.random.default_rng(0).normal(0, 1, (900, DIMENSIONS)).astype(np.float32)
    structure = _fit(latent, np.zeros(900, np.int64))
    assert not structure.head.has_trajectory


def test_each_root_has_its_trajectory_and_other_cells_none() -> None:
    one, label, way = _fork(600)
    other, label_2, _ = _fork(600, seed=1, apart=30.0)
    far = np.random.default_rng(2).normal(-30, 0.3, (200, DIMENSIONS)).astype(np.float32)
    latent = np.concatenate([one, other, far])
    labels = np.concatenate([label, np.where(label_2 == 0, 4, label_2), np.full(200, 1)])
    structure = _fit(latent, labels, RootChoice(("stem", "other")))
    assert len(structure.summary["roots"]) == 2
    assert len(set(structure.summary["edges"])) == 6
    _, edge, _, time, _, _ = _answers(structure, latent)
    assert (edge[-200:].sum(axis=1) < 0.5).all()
    assert time[:600][way < 1].max() < 0.25
    first = edge[:600].sum(axis=0) > 300
    assert not (first & (edge[600:1200].sum(axis=0) > 300)).any()


@pytest.mark.parametrize("roots", [RootChoice(("nobody",)), RootChoice(cells=("nobody",))])
def test_a_root_must_be_in_the_reference(roots: RootChoice) -> None:
    _, label, _ = _fork(200)
    with pytest.raises(TrainingError, match="nobody"):
        check_roots(roots, _named(label))


@pytest.mark.parametrize("n_cells", [20, 45, 120])
def test_small_references(n_cells: int) -> None:
    latent, label, _ = _fork(n_cells)
    assert all(np.isfinite(a).all() for a in _answers(_fit(latent, label), latent))


def test_cells_that_are_all_the_same() -> None:
    latent = np.ones((150, DIMENSIONS), np.float32)
    structure = _fit(latent, np.zeros(150, np.int64))
    assert all(np.isfinite(a).all() for a in _answers(structure, latent))


def test_same_seed_same_structure() -> None:
    latent, label, _ = _fork(300)
    one, other = (_fit(latent, label, RootChoice(("stem",))) for _ in range(2))
    for a, b in zip(_answers(one, latent), _answers(other, latent), strict=True):
        np.testing.assert_array_equal(a, b)
