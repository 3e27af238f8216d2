"""Products of tall matrices: right, and done by the thread that asks."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellport.runtime.mapping.consensus.products import rows_times

# what a mapping does from block to block; the processor time of other threads beside its own
BLOCKS = """
import sys, time
import numpy as np
from cellport.runtime.atlas.label_tree import build_tree, call_deepest
from cellport.runtime.mapping.consensus.joint import Translation, evidence

labels = [f"type {n}" for n in range(40)]
tree = build_tree(labels, {name: f"group {n % 9}" for n, name in enumerate(labels)})
prob = np.random.default_rng(0).dirichlet(np.full(40, 0.1), 2048).astype(np.float32)
how = Translation(np.full((40, 60), 1 / 60), np.full(60, 1 / 60))
shared_out = sys.argv[1] == "shared out"
time.sleep(0.3)  # threads that numpy started come to rest
all_, own = time.process_time(), time.thread_time()
for _ in range(60):
    call_deepest(tree, prob, 0.5)
    evidence(prob, np.zeros(2048, bool), how)
    if shared_out:
        prob @ tree.members
own = time.thread_time() - own
print((time.process_time() - all_ - own) / own)
"""


@given(rows=st.integers(0, 700), n=st.integers(1, 40), m=st.integers(1, 40), seed=st.integers(0))
@settings(max_examples=60, deadline=None)
def test_pieces_are_the_product(rows: int, n: int, m: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(rows, n)).astype(np.float32), rng.normal(size=(n, m))
    found = rows_times(a, b)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, a @ b, rtol=1e-12, atol=1e-12)


def test_rows_of_a_large_matrix_are_not_taken_one_by_one() -> None:
    rows, large = np.ones((300, 700), np.float32), np.ones((700, 900), np.float32)
    np.testing.assert_array_equal(rows_times(rows, large), 700)


def busy(how: str) -> float:
    """Processor time of other threads, as a multiple of that of the one that maps."""
    done = subprocess.run(
        [sys.executable, "-c", BLOCKS, how],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "2"},
    )
    return float(done.stdout)


def test_blocks_leave_the_other_processors_alone() -> None:
    if (os.cpu_count() or 1) < 2:
        pytest.skip("there is one processor")
    assert busy("alone") < 0.1
    # or this machine's numpy has no threads that wait, and nothing was tested
    if busy("shared out") < 0.1:
        pytest.skip("the threads of this numpy do not wait in turns")
