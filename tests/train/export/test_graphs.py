from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cellport.runtime.atlas.session import open_session
from cellport.runtime.errors import AtlasError, TrainingError
from cellport.train.export.graphs import check_graph, export_graph, largest_difference


class _Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(5, 3)

    def forward(self, counts: Tensor) -> tuple[Tensor, Tensor]:
        known = torch.where(torch.isnan(counts), torch.zeros_like(counts), counts)
        hidden = self.linear(known)
        return hidden, torch.softmax(hidden, dim=1)


@pytest.fixture(scope="module")
def small() -> tuple[nn.Module, Tensor, bytes]:
    torch.manual_seed(0)
    module, counts = _Small(), torch.randn(4, 5)
    return module, counts, export_graph(module, {"counts": counts}, ("a", "b"), "small.onnx")


@pytest.mark.parametrize("cells", [1, 2, 4, 33])
def test_graph_equals_torch_for_any_number_of_cells(
    small: tuple[nn.Module, Tensor, bytes], cells: int
) -> None:
    module, _, graph = small
    counts = torch.randn(cells, 5)
    counts[0, 1] = torch.nan
    session = open_session(graph, "small.onnx", "cpu")
    assert [output.name for output in session.get_outputs()] == ["a", "b"]
    with torch.no_grad():
        expected = module(counts)
    for one, other in zip(session.run(None, {"counts": counts.numpy()}), expected, strict=True):
        np.testing.assert_allclose(one, other.numpy(), atol=1e-5)


def test_graph_says_nothing_of_its_maker(small: tuple[nn.Module, Tensor, bytes]) -> None:
    graph = small[2]
    secrets = [os.getcwd(), str(Path(__file__).parent), str(Path(torch.__file__).parent)]
    for secret in [*secrets, "site-packages", ".py", "File ", "forward", str(Path.home()) + "/"]:
        assert secret.encode() not in graph, secret


def test_same_module_same_bytes(small: tuple[nn.Module, Tensor, bytes]) -> None:
    module, counts, graph = small
    assert export_graph(module, {"counts": counts}, ("a", "b"), "small.onnx") == graph


def test_graph_that_differs_is_refused(small: tuple[nn.Module, Tensor, bytes]) -> None:
    module, counts, graph = small
    with torch.no_grad():
        expected = module(counts)
    check_graph(graph, {"counts": counts}, expected, "small.onnx")
    with pytest.raises(TrainingError, match=r"small\.onnx differs from PyTorch by 0\.001"):
        check_graph(graph, {"counts": counts}, (expected[0], expected[1] + 1e-3), "small.onnx")
    with pytest.raises(TrainingError, match="differs from PyTorch by nan"):
        check_graph(graph, {"counts": counts}, (expected[0] * torch.nan, expected[1]), "small.onnx")


class _Fickle(nn.Module):
    """Answers otherwise once it has been traced."""

    def forward(self, counts: Tensor) -> Tensor:
        return counts if torch.compiler.is_exporting() else counts + 1


def test_module_that_changes_under_export_is_refused() -> None:
    with pytest.raises(TrainingError, match=r"fickle\.onnx differs from PyTorch by 1 "):
        export_graph(_Fickle(), {"counts": torch.zeros(3, 2)}, ("a",), "fickle.onnx")


def test_check_of_a_broken_graph() -> None:
    with pytest.raises(AtlasError, match="cannot load this graph"):
        check_graph(b"nonsense", {}, (), "small.onnx")


def test_exporter_is_quiet(
    small: tuple[nn.Module, Tensor, bytes], capfd: pytest.CaptureFixture[str]
) -> None:
    module, counts, _ = small
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        export_graph(module, {"counts": counts}, ("a", "b"), "small.onnx")
    assert capfd.readouterr() == ("", "")


def test_difference_is_relative_where_values_are_large() -> None:
    one, other = np.array([0.5, 1000.0], np.float32), np.array([0.5, 1001.0], np.float32)
    assert largest_difference(one, other) == pytest.approx(1 / 1001, rel=1e-3)
    assert largest_difference(other[:1] + np.float32(0.25), one[:1]) == 0.25
    assert np.isnan(largest_difference(one * np.nan, other))
    assert largest_difference(one[:0], other[:0]) == 0
