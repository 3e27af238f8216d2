"""PyTorch modules to ONNX graphs, checked against PyTorch before they may travel."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from cellport.runtime.atlas.session import TOLERANCE, largest_difference, open_session
from cellport.runtime.errors import TrainingError


def export_graph(
    module: nn.Module, inputs: dict[str, Tensor], outputs: Sequence[str], name: str
) -> bytes:
    """Export a module as an ONNX model, weights inside, with a free number of cells, and check it.

    Example inputs float [n, ...] by name, on which it is checked, and names of the outputs.

    Raises
    ------
    TrainingError
        onnxruntime and PyTorch differ by more than 1e-4.
    """
    module = module.eval()
    cells = torch.export.Dim("cells", min=1)
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            module,
            tuple(inputs.values()),
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_shapes=tuple({0: cells} for _ in inputs),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        expected = module(*inputs.values())
    if program is None:
        raise TrainingError(f"{name}: the exporter returned nothing.")
    graph = _without_traces(program.model_proto).SerializeToString()
    check_graph(graph, inputs, expected if isinstance(expected, tuple) else (expected,), name)
    return bytes(graph)


def check_graph(
    graph: bytes, inputs: dict[str, Tensor], expected: Sequence[Tensor], name: str
) -> None:
    """Refuse a graph whose answers differ from PyTorch's.

    Raises
    ------
    TrainingError
        An output differs by more than 1e-4 of its scale, or is not finite.
    """
    session = open_session(graph, name, device="cpu")
    found = session.run(None, {key: value.numpy() for key, value in inputs.items()})
    for one, other in zip(found, expected, strict=True):
        worst = largest_difference(one, other.numpy())
        if not worst <= TOLERANCE:
            raise TrainingError(
                f"{name} differs from PyTorch by {worst:.2g} after export (allowed: {TOLERANCE}). "
                "The atlas was not written; please report the versions of torch and onnxruntime."
            )


def _without_traces(model: Any) -> Any:
    """Drop the exporter's notes: stack traces with the maker's own file paths."""
    graph = model.graph
    named = (graph.node, graph.input, graph.output, graph.value_info, graph.initializer)
    for item in (model, graph, *chain(*named)):
        item.ClearField("metadata_props")
        item.ClearField("doc_string")
    return model


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hide what the exporter prints of itself; what matters is checked afterwards."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
