from __future__ import annotations

from cellport.kernels.warmup import is_compiled, warmup


def test_warmup_leaves_nothing_to_compile() -> None:
    assert warmup() > 0
    assert is_compiled()
    assert warmup() < 0.1
