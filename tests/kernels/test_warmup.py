from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cellport.kernels import warmup as module
from cellport.kernels.warmup import is_compiled, warmup

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_warmup_leaves_a_warm_cache() -> None:
    assert warmup() > 0
    assert is_compiled()
    assert warmup() < 1


def test_an_older_cache_is_not_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "first_layer.py"
    monkeypatch.setattr(module.module, "__file__", str(source))
    warmup()
    source.write_text("")
    assert not is_compiled()


def test_no_second_compilation_for_what_mapping_sends(random_query: Any) -> None:
    from cellport.kernels import check, first_layer

    warmup()
    query = random_query(0, 20, 50, 20)
    kernels: list[Any] = [check._all_counts, check._structure, first_layer.first_layer]
    before = [len(kernel.signatures) for kernel in kernels]
    check.check_values(query.data)
    check.check_structure(query.indptr, query.indices, 50)
    layer = module.np.ones((20, 7), "f4"), module.np.ones(20, "f4"), module.np.ones(7, "f4")
    first_layer.encode_first_layer(*query.csr, query.panel_column, *layer, 1e4, threads=2)
    assert [len(kernel.signatures) for kernel in kernels] == before
