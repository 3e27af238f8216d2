from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from cellport.runtime.errors import InputError
from cellport.train.reference.cautions import CountsSeen, label_cautions
from cellport.train.reference.reference import Reference, read_reference


def _reference(labels: list[str], batches: list[str] | None = None) -> Reference:
    names, label = np.unique(np.array([*labels, ""], object), return_inverse=True)
    kinds, batch = np.unique(batches or ["all"] * len(labels), return_inverse=True)
    none = np.empty(0, object)
    return Reference(
        sp.csr_matrix((len(labels), 1), dtype=np.float32), {}, none, tuple(names[1:].tolist()),
        label[:-1] - 1, tuple(kinds.tolist()), batch, "cells",
    )  # fmt: skip


def test_a_good_reference_needs_no_caution() -> None:
    labels = ["alpha", "beta"] * 40
    assert label_cautions(_reference(labels)) == []
    assert label_cautions(_reference(labels, ["one"] * 40 + ["two"] * 40)) == []
    assert label_cautions(_reference([""] * 40, ["one"] * 20 + ["two"] * 20)) == []


@given(st.lists(st.integers(1, 30), min_size=2, max_size=8))
def test_labels_of_few_cells_are_named(numbers: list[int]) -> None:
    labels = [f"type{at}" for at, n in enumerate(numbers) for _ in range(n)]
    few = [n for n in numbers if n < 10]
    told = " ".join(label_cautions(_reference(labels)))
    assert (f"Of {len(numbers)} labels {len(few)} have fewer than 10 cells" in told) == bool(few)
    assert not few or f"({min(few)})" in told


@pytest.mark.parametrize(
    "name", ["Doublet", "T/B doublets", "low_quality", "Low quality T", "debris", "Unknown 3"]
)
def test_labels_that_name_no_type_are_told(name: str) -> None:
    (told,) = label_cautions(_reference(["alpha", name] * 20))
    assert f"seem to name no type are trained as types: '{name}' (20)" in told


@pytest.mark.parametrize("name", ["Deadly nightshade", "Undead", "CD4 T", "other", "novel"])
def test_types_are_taken_for_types(name: str) -> None:
    assert label_cautions(_reference(["alpha", name] * 20)) == []


def test_labels_that_are_batches_are_told() -> None:
    labels = ["alpha", "beta"] * 40
    (told,) = label_cautions(_reference(labels, labels))
    assert told.startswith("Each label is in one batch only")
    batches = np.where(np.arange(80) % 2, "north", np.where(np.arange(80) < 40, "north", "south"))
    (told,) = label_cautions(_reference(labels, batches.tolist()))
    assert told.startswith("Labels that are in one batch only: 'beta' (40).")


@pytest.mark.parametrize(("size", "is_small"), [(1, True), (3, True), (10, False), (40, False)])
def test_batches_of_single_cells_are_no_batches(size: int, is_small: bool) -> None:
    batches = [f"batch{at // size}" for at in range(80)]
    told = " ".join(label_cautions(_reference(["alpha", "beta", "beta", "alpha"] * 20, batches)))
    assert ("batches most have fewer than 10 cells (80 in all)" in told) == is_small


def _seen(counts: sp.csr_matrix, batch: Any, step: int = 7) -> list[str]:
    seen = CountsSeen(counts.shape[1])
    parts = [counts[start : start + step] for start in range(0, counts.shape[0], step)]
    passed = sp.vstack(list(seen.watch(parts)), format="csr")
    assert (passed != counts).nnz == 0
    return seen.cautions(np.asarray(batch))


def _counts(n: int, seed: int = 0) -> sp.csr_matrix:
    drawn = np.random.default_rng(seed).poisson(1.0, (n, 80))
    return sp.csr_matrix(drawn.astype(np.float32))


def test_cells_of_their_own_need_no_caution() -> None:
    assert _seen(_counts(100), np.arange(100) % 2) == []
    # counts that two cells may well share by chance
    few = sp.csr_matrix(np.eye(10, 80, dtype=np.float32))
    assert _seen(sp.vstack([few, few], format="csr"), np.zeros(20, int)) == []


@given(st.integers(2, 40), st.integers(1, 4), st.integers(0, 9))
def test_copies_are_counted_wherever_they_are(copied: int, times: int, seed: int) -> None:
    counts, rng = _counts(100, seed), np.random.default_rng(seed)
    copies = counts[np.tile(np.arange(copied), times)]
    order = rng.permutation(100 + copies.shape[0])
    together = sp.vstack([counts, copies], format="csr")[order]
    (told,) = _seen(together, np.zeros(len(order), int))
    assert told.startswith(f"{copied * (times + 1)} of {len(order)} cells have the very counts")
    assert "another batch" not in told
    (told,) = _seen(together, np.where(order < 100, 0, 1))
    assert f"{copied * (times + 1)} of them that of one in another batch" in told


def test_cells_without_counts_are_counted() -> None:
    counts = _counts(50).tolil()
    counts[::5] = 0
    (told,) = _seen(counts.tocsr(), np.zeros(50, int))
    assert told.startswith("10 cells have no count in the panel's genes")


def test_a_file_given_twice_is_refused(tiny_cells: Any, tmp_path: Any) -> None:
    tiny_cells.adata().write_h5ad(tmp_path / "one.h5ad")
    with pytest.raises(InputError, match=r"one\.h5ad was given twice"):
        read_reference([tmp_path / "one.h5ad", str(tmp_path / "." / "one.h5ad")], "cell_type")
