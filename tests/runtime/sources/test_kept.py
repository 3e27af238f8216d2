from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from cellport.runtime.errors import InputError
from cellport.runtime.sources import kept, open_source
from cellport.runtime.sources.kept import keep_counts


def _opened(counts: Any, seekable: bool = True) -> Any:
    source = open_source((counts, [f"GENE{i}" for i in range(counts.shape[1])]))
    source.seekable = seekable
    return source


def _counts(n: int) -> sp.csr_matrix:
    return sp.csr_matrix(np.random.default_rng(n).poisson(0.5, (n, 7)).astype(np.float32))


def _read(source: Any, *cells: int) -> np.ndarray[Any, Any]:
    blocks = list(source.blocks(64, *cells))
    parts = [sp.csr_matrix((b.data, b.indices, b.indptr), (b.n_cells, 7)) for b in blocks]
    return np.asarray(sp.vstack(parts).toarray())


@pytest.mark.parametrize("form", ["csr", "csc", "dense"])
@pytest.mark.parametrize("n", [1, 5000])
def test_counts_that_are_kept_are_those_of_the_source(form: str, n: int) -> None:
    counts = _counts(n)
    stored = counts.toarray() if form == "dense" else counts.asformat(form)
    source = keep_counts(_opened(stored, seekable=False), 5000)
    assert (source.in_memory, source.seekable, source.n_cells) == (True, True, n)
    np.testing.assert_array_equal(_read(source), counts.toarray())
    np.testing.assert_array_equal(_read(source, n // 2, n), counts[n // 2 :].toarray())
    assert source.cell_names(n - 1, n).tolist() == [str(n - 1)]


def test_what_is_too_much_is_left_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    source = _opened(_counts(5000))
    assert keep_counts(source, 4999) is source
    # known after the first block, of 2,048 cells
    asked: list[int] = []
    monkeypatch.setattr(kept, "MAX_NONZEROS", _counts(5000).nnz // 2)
    monkeypatch.setattr(type(source), "blocks", _watched(type(source).blocks, asked))
    assert keep_counts(source, 5000) is source
    assert asked == [2048]


def _watched(blocks: Any, seen: list[int]) -> Any:
    def watched(self: Any, *args: int) -> Any:
        for block in blocks(self, *args):
            seen.append(block.n_cells)
            yield block

    return watched


def test_bad_values_are_refused_when_they_are_read() -> None:
    counts = _counts(5000)
    source = _opened(counts)  # whose gate looks at a few cells alone
    counts.data[counts.indptr[1234]] = np.nan
    with pytest.raises(InputError, match=r"cells 0 to 2047: .* missing"):
        keep_counts(source, 5000)
