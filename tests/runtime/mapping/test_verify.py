from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cellport.runtime.atlas.file import AtlasFile, npy_bytes, open_atlas_file
from cellport.runtime.errors import AtlasError
from cellport.runtime.mapping.verify import Check, verify_atlas

Rewrite = Callable[..., Path]


def _failed(path: Path) -> list[str]:
    return [check.name for check in verify_atlas(open_atlas_file(path), "cpu") if not check.passed]


def _altered(array: np.ndarray) -> np.ndarray:
    """Return it with a little noise: the same shift for all units would vanish in a norm."""
    noise = np.random.default_rng(0).normal(0, 0.01, array.shape)
    return (array + noise).astype(np.float32)


def test_good_atlas_passes_every_check(tiny_atlas: AtlasFile) -> None:
    checks = verify_atlas(tiny_atlas, "cpu")
    assert {check.name for check in checks} == {
        f"{what}, {name}"
        for what in ("encoder.onnx", "fused path", "both paths, a third of the genes missing")
        for name in ("latent", "novelty_score", "umap", "label_prob", "cluster_prob")
    }
    assert all(check.passed for check in checks)
    assert any(check.difference > 0 for check in checks)


@pytest.mark.parametrize("name", ["basis", "gene_mean"])
def test_altered_array_fails_the_fused_path_only(
    tiny_atlas: AtlasFile, rewritten_atlas: Rewrite, name: str
) -> None:
    altered = _altered(tiny_atlas.array(name))
    failed = _failed(rewritten_atlas({f"arrays/{name}.npy": npy_bytes(altered)}))
    assert "fused path, latent" in failed
    assert not [check for check in failed if check.startswith("encoder.onnx")]


def test_altered_share_fails_when_genes_are_missing(
    tiny_atlas: AtlasFile, rewritten_atlas: Rewrite
) -> None:
    """With all genes the shares add up to one; only a query with gaps sees each."""
    share = np.zeros(100, np.float32)
    share[0] = 1
    failed = _failed(rewritten_atlas({"arrays/gene_share.npy": npy_bytes(share)}))
    assert "both paths, a third of the genes missing, latent" in failed
    assert "fused path, latent" not in failed


def test_altered_graph_fails(tiny_atlas: AtlasFile, rewritten_atlas: Rewrite) -> None:
    graph = bytes(tiny_atlas.read("encoder.onnx"))
    weight = tiny_atlas.array("basis")
    assert graph.count(weight.tobytes()) == 1
    other = graph.replace(weight.tobytes(), _altered(weight).tobytes())
    failed = _failed(rewritten_atlas({"encoder.onnx": other}))
    assert "encoder.onnx, latent" in failed
    assert "both paths, a third of the genes missing, latent" in failed
    assert "fused path, latent" not in failed


def test_answers_that_are_not_numbers_fail(tiny_atlas: AtlasFile, rewritten_atlas: Rewrite) -> None:
    weight = tiny_atlas.array("basis") * np.float32(1e37)
    path = rewritten_atlas({"arrays/basis.npy": npy_bytes(weight)})
    assert "fused path, latent" in _failed(path)


def test_other_stored_answers_fail(tiny_atlas: AtlasFile, rewritten_atlas: Rewrite) -> None:
    altered = _altered(tiny_atlas.array("canary_latent"))
    failed = _failed(rewritten_atlas({"arrays/canary_latent.npy": npy_bytes(altered)}))
    assert failed == ["encoder.onnx, latent", "fused path, latent"]


def test_answers_of_another_shape_than_stored_fail(
    tiny_atlas: AtlasFile, rewritten_atlas: Rewrite
) -> None:
    """The manifest and the arrays agree on a latent of another width than the graphs give."""
    members = {
        f"arrays/{name}.npy": npy_bytes(tiny_atlas.array(name)[:, :5])
        for name in ("canary_latent", "reference_latent")
    }
    failed = _failed(rewritten_atlas(members, n_latent=5))
    assert failed == ["encoder.onnx, latent", "fused path, latent"]


@pytest.mark.parametrize("graph", ["encoder.onnx", "encoder_tail.onnx"])
def test_graph_of_another_job_is_an_atlas_error(
    tiny_atlas: AtlasFile, rewritten_atlas: Rewrite, graph: str
) -> None:
    path = rewritten_atlas({graph: bytes(tiny_atlas.read("decoder.onnx"))})
    with pytest.raises(AtlasError, match="fails on its inputs"):
        verify_atlas(open_atlas_file(path), "cpu")


def test_check_passes_up_to_its_tolerance() -> None:
    check = Check("latent", 1e-4)
    assert check.passed
    assert not replace(check, difference=1.01e-4).passed
    assert not replace(check, difference=float("inf")).passed
    assert not replace(check, difference=float("nan")).passed
