from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cellport.models.normalise import CLIP, PanelNormaliser

GENES = 12


def _normaliser(seed: int = 0, genes: int = GENES, dtype: type = np.float64) -> PanelNormaliser:
    rng = np.random.default_rng(seed)
    share, mean, sd = (rng.uniform(0.1, 1.5, genes).astype(dtype) for _ in range(3))
    return PanelNormaliser(*map(torch.from_numpy, (share / share.sum(), mean, sd)))


def _counts(seed: int, cells: int = 5, genes: int = GENES) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.poisson(3, (cells, genes)).astype(float) + np.eye(cells, genes))


def test_values_are_log_normalised_and_centred() -> None:
    normaliser, counts = _normaliser(), _counts(0)
    values, library = normaliser(counts)
    x = counts.numpy()
    mean, sd = normaliser.mean.numpy(), normaliser.sd.numpy()
    expected = np.minimum(np.log1p(1e4 * x / x.sum(1, keepdims=True)), mean + CLIP * sd) - mean
    np.testing.assert_allclose(values.numpy(), expected, rtol=1e-12)
    np.testing.assert_allclose(library.numpy(), x.sum(1, keepdims=True))


@given(seed=st.integers(0, 2**32 - 1), missing=st.sets(st.integers(0, GENES - 1), max_size=11))
@settings(max_examples=50, deadline=None)
def test_missing_genes_are_as_if_dropped_at_the_reference_scale(
    seed: int, missing: set[int]
) -> None:
    """NaN = the same network on fewer genes, whose target is the share that is left."""
    whole, counts = _normaliser(seed), _counts(seed)
    kept = [gene for gene in range(GENES) if gene not in missing]
    share = whole.share[kept]
    left = PanelNormaliser(
        share / share.sum(), whole.mean[kept], whole.sd[kept], float(1e4 * share.sum())
    )
    gaps = counts.clone()
    gaps[:, sorted(missing)] = torch.nan
    values, library = whole(gaps)
    expected, expected_library = left(counts[:, kept])
    torch.testing.assert_close(values[:, kept], expected)
    torch.testing.assert_close(library, expected_library)
    assert (values[:, sorted(missing)] == 0).all()


@given(seed=st.integers(0, 2**32 - 1), factor=st.floats(0.5, 1000))
@settings(max_examples=50, deadline=None)
def test_values_do_not_depend_on_depth(seed: int, factor: float) -> None:
    normaliser, counts = _normaliser(seed), _counts(seed)
    values, library = normaliser(counts)
    scaled_values, scaled_library = normaliser(counts * factor)
    torch.testing.assert_close(scaled_values, values)
    torch.testing.assert_close(scaled_library, library * factor)


def test_empty_cell_and_cell_without_measured_genes_are_finite() -> None:
    normaliser = _normaliser(dtype=np.float32)
    counts = torch.zeros(2, GENES)
    counts[1] = torch.nan
    values, library = normaliser(counts)
    assert torch.equal(library, torch.zeros(2, 1))
    assert torch.equal(values[0], -normaliser.mean)
    assert torch.equal(values[1], torch.zeros(GENES))


def test_no_value_passes_the_cap() -> None:
    genes = 3
    normaliser = PanelNormaliser(
        torch.full((genes,), 1 / genes), torch.zeros(genes), torch.full((genes,), 0.1)
    )
    values, _ = normaliser(torch.tensor([[1e6, 0.0, 1.0]]))
    torch.testing.assert_close(values, torch.tensor([[1.0, 0.0, np.log1p(1e4 / 1e6)]]).float())
    torch.testing.assert_close(normaliser.cap, torch.ones(genes))
