from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cellport.runtime.mapping.annotate.centres import find_centres, nearest_centre


def test_groups_apart_are_found() -> None:
    rng = np.random.default_rng(0)
    middle = np.array([[0, 0], [20, 0], [0, 20], [20, 20]], np.float32)
    true = rng.integers(0, 4, 300)
    latent = (middle[true] + rng.normal(size=(300, 2))).astype(np.float32)
    group = nearest_centre(find_centres(latent, 4), latent)
    assert len({*zip(true.tolist(), group.tolist(), strict=True)}) == 4


@given(st.integers(1, 30), st.integers(1, 4), st.integers(0, 99))
def test_the_same_cells_get_the_same_centres(n: int, width: int, seed: int) -> None:
    """Whatever is equal; and a cell's centre is the nearest, alone or among others."""
    rng = np.random.default_rng(seed)
    latent = rng.integers(-2, 3, (n, width)).astype(np.float32)
    centres = find_centres(latent, int(rng.integers(1, n + 1)))
    assert np.array_equal(centres, find_centres(latent.copy(), len(centres)))
    assert np.isfinite(centres).all()
    assert centres.dtype == np.float32
    squared = ((latent[:, None] - centres[None]) ** 2).sum(axis=2)
    group = nearest_centre(centres, latent)
    np.testing.assert_allclose(squared[np.arange(n), group], squared.min(axis=1), rtol=1e-5)
    assert [nearest_centre(centres, one[None])[0] for one in latent] == group.tolist()
