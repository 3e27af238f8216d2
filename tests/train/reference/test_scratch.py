from __future__ import annotations

import pickle
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from cellport.runtime.errors import OutputError
from cellport.train.reference import scratch as store
from cellport.train.reference.scratch import StoredCounts, panel_counts

# bytes that the cells below do not fit
FEW = 200


def _parts(n: int = 90, genes: int = 12, seed: int = 0) -> list[sp.csr_matrix]:
    rng = np.random.default_rng(seed)
    counts = rng.poisson(0.6, (n, genes)).astype(np.float32)
    counts[rng.random(n) < 0.2] = 0
    counts[3, 3] = 1 << 20
    return [sp.csr_matrix(counts[start : start + 20]) for start in range(0, n, 20)]


@given(seed=st.integers(0, 2**32 - 1), data=st.data())
@settings(max_examples=50, deadline=None)
def test_any_cells_are_those_of_the_matrix(
    tmp_path_factory: pytest.TempPathFactory, seed: int, data: st.DataObject
) -> None:
    parts = _parts(seed=seed)
    whole = sp.vstack(parts, format="csr")
    rows: Any = data.draw(
        st.one_of(
            st.lists(st.integers(0, 89), max_size=60).map(lambda r: np.array(r, np.int64)),
            st.slices(90),
        )
    )
    scratch = tmp_path_factory.mktemp("store") / "counts"
    with panel_counts(parts, whole.shape, scratch, FEW) as counts:
        assert isinstance(counts, StoredCounts)
        assert counts.shape == whole.shape
        found = counts[rows]
        again = pickle.loads(pickle.dumps(counts))
        assert again.digest == counts.digest
        assert (again[rows] != found).nnz == 0
        again.close()
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found.toarray(), whole[rows].toarray())


def test_few_counts_stay_in_memory(tmp_path: Path) -> None:
    parts = _parts()
    with panel_counts(parts, (90, 12), tmp_path / "counts", 1 << 20) as counts:
        assert sp.issparse(counts)
        assert (counts != sp.vstack(parts)).nnz == 0  # type: ignore[operator]
        assert not list(tmp_path.iterdir())


def test_without_a_place_they_stay_there_too() -> None:
    with panel_counts(_parts(), (90, 12), None, FEW) as counts:
        assert sp.issparse(counts)


class OtherError(Exception):
    pass


def test_the_scratch_file_goes_whatever_happens(tmp_path: Path) -> None:
    def use() -> None:
        with panel_counts(_parts(), (90, 12), tmp_path / "counts", FEW) as counts:
            assert counts[np.array([1])].shape == (1, 12)
            assert [path.name for path in tmp_path.iterdir()] == ["counts"]
            raise OtherError

    with pytest.raises(OtherError):
        use()
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_seen_before_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(store.shutil, "disk_usage", lambda _: usage(10**9, 10**9, 1000))
    said = r"needs about .* GB beside the atlas .* Free some space"
    with (
        pytest.raises(OutputError, match=said),
        panel_counts(_parts(), (90, 12), tmp_path / "counts", FEW),
    ):
        pass
    assert not list(tmp_path.iterdir())


def test_a_scratch_file_that_was_cut_is_noticed(tmp_path: Path) -> None:
    with panel_counts(_parts(), (90, 12), tmp_path / "counts", FEW) as counts:
        (tmp_path / "counts").write_bytes(b"")
        with pytest.raises(OutputError, match="cut off"):
            counts[:]


def test_a_panel_of_very_many_genes(tmp_path: Path) -> None:
    counts = sp.csr_matrix(
        (np.arange(1, 101, dtype=np.float32), (np.arange(100), np.arange(100) * 700)),
        (100, 70_000),
    )
    with panel_counts([counts], counts.shape, tmp_path / "counts", FEW) as stored:
        assert (stored[:] != counts).nnz == 0


def test_several_threads_read_what_each_asked_for(tmp_path: Path) -> None:
    whole = sp.vstack(_parts(), format="csr")

    def right(row: int) -> bool:
        return (stored[row : row + 9] != whole[row : row + 9]).nnz == 0

    with (
        panel_counts(_parts(), (90, 12), tmp_path / "counts", FEW) as stored,
        ThreadPoolExecutor(4) as threads,
    ):
        assert all(threads.map(right, [row % 80 for row in range(0, 4000, 7)]))
