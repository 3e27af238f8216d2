from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import torch

from cellport.models.draws import Share
from cellport.train.cells import TrainingCells
from cellport.train.config import FitConfig
from cellport.train.degrade import Degradation, degrade
from cellport.train.features.kernel import FeatureMaker
from cellport.train.fit.minibatch import MinibatchMaker
from cellport.train.fit.model import build_model


def _maker(n: int = 60, genes: int = 30) -> MinibatchMaker:
    rng = np.random.default_rng(0)
    cells = TrainingCells(
        sp.csr_matrix(rng.poisson(2, (n, genes)).astype(np.float32)),
        np.arange(n) % 3 - 1,
        np.arange(n) % 2,
        2,
        2,
        np.empty(0, np.int64),
    )
    model = build_model(cells, FitConfig(n_hidden=8, n_latent=4))
    return MinibatchMaker(cells, FeatureMaker(model.encoder), torch.tensor([1.0, 3.0]))


def test_a_minibatch_holds_its_cells() -> None:
    maker = _maker()
    chosen = np.array([5, 3, 40])
    whole = maker.cells.counts[chosen]
    found = maker.make(chosen, whole)
    np.testing.assert_array_equal(found.counts.dense(30).numpy(), whole.toarray())
    assert found.labels.tolist() == [1, -1, 0]
    assert found.batch.argmax(1).tolist() == [1, 1, 0]
    assert found.label_weight.tolist() == [0.75, 0, 0.25]
    np.testing.assert_array_equal(found.features.numpy(), maker.features(whole))


def test_of_some_genes_the_counts_are_those_and_the_features_of_all() -> None:
    maker = _maker()
    chosen, genes = np.array([5, 3, 40]), np.array([2, 3, 11, 29])
    whole = maker.cells.counts[chosen]
    found = maker.make(chosen, whole, genes=genes, share=Share(1, 3, 3))
    assert found.genes is not None
    assert found.genes.tolist() == genes.tolist()
    np.testing.assert_array_equal(found.counts.dense(4).numpy(), whole[1:, genes].toarray())
    np.testing.assert_array_equal(found.features.numpy(), maker.features(whole[1:]))


def test_shares_are_parts_of_the_whole() -> None:
    maker = _maker()
    chosen = np.arange(7)
    whole = maker.cells.counts[chosen]
    seen = degrade(whole, np.random.default_rng(1), Degradation(mask_share=1, mask_declared=1))
    assert not seen.measured.all()
    together = maker.make(chosen, whole, seen)
    parts = [maker.make(chosen, whole, seen, Share(*ends, 7)) for ends in ((0, 3), (3, 7))]
    for name in ("features", "batch", "labels", "label_weight"):
        joined = torch.cat([getattr(part, name) for part in parts])
        assert torch.equal(joined, getattr(together, name)), name
    dense = torch.cat([part.counts.dense(30) for part in parts])
    assert torch.equal(dense, together.counts.dense(30))
    # what is reconstructed is not what is seen
    np.testing.assert_array_equal(dense.numpy(), whole.toarray())
    assert not np.array_equal(together.features.numpy(), maker.features(whole))
