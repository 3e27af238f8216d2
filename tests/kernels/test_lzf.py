from __future__ import annotations

import h5py
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cellport.kernels.lzf import unpack_lzf


def pack(content: bytes) -> bytes | None:
    """Compress with the filter of h5py; None where it does not shrink."""
    with h5py.File("packed.h5", "w", driver="core", backing_store=False) as file:
        values = np.frombuffer(content, np.uint8)
        data = file.create_dataset("x", data=values, chunks=(len(values),), compression="lzf")
        file.flush()
        mask, packed = data.id.read_direct_chunk((0,))
    return None if mask else bytes(packed)


@settings(deadline=None)
@given(st.lists(st.sampled_from([b"a", b"abc" * 20, b"\0" * 300, b"xyz"]), min_size=5), st.binary())
def test_undoes_what_h5py_packs(pieces, rest):
    content = b"".join(pieces) + rest + b"\0" * 100
    packed = pack(content)
    assert packed is not None
    assert unpack_lzf(packed, len(content)).tobytes() == content
    assert unpack_lzf(packed, len(content) + 1) is None
    assert unpack_lzf(packed, len(content) - 1) is None
    assert unpack_lzf(packed[:-1], len(content)) is None


@settings(deadline=None, max_examples=500)
@given(st.binary(), st.integers(0, 400))
def test_any_bytes_stay_in_bounds(packed, size):
    out = unpack_lzf(packed, size)
    assert out is None or len(out) == size
