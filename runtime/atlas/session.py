"""ONNX Runtime sessions: the one place that imports onnxruntime."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from types import ModuleType
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.base.processors import available_threads
from cellport.runtime.errors import AtlasError, InputError, MissingDependencyError, first_line

Device = Literal["auto", "cpu", "cuda"]
# how far two runs of one graph may differ, between machines or from PyTorch
TOLERANCE = 1e-4
_FATAL_ONLY = 4


def onnxruntime() -> ModuleType:
    """Import onnxruntime, or say which extra brings it.

    Its official builds report use to their maker unless they are told not to before they start;
    cellport tells them, for what is mapped is nobody's business. ``ORT_DISABLE_TELEMETRY=0`` in
    the environment leaves it as it comes.

    Raises
    ------
    MissingDependencyError
        Neither onnxruntime nor onnxruntime-gpu is installed.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime as installed
    except ImportError as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise MissingDependencyError(
            "Mapping needs ONNX Runtime, in one of two builds: pip install 'cellport[cpu]', or "
            "pip install 'cellport[gpu]' for NVIDIA cards. Never both: they overwrite each other."
            + ("" if isinstance(error, ModuleNotFoundError) else f" (import failed: {error})")
        ) from None
    ort: ModuleType = installed
    if not hasattr(ort, "InferenceSession"):
        raise MissingDependencyError(
            "The onnxruntime package is broken, as it is after onnxruntime and onnxruntime-gpu "
            "were both installed: pip uninstall both, then pip install 'cellport[cpu]' or "
            "'cellport[gpu]'."
        )
    return ort


def open_session(
    graph: bytes | memoryview, name: str, device: Device = "auto", threads: int | None = None
) -> Any:
    """Open an ONNX graph on the device asked for.

    Parameters
    ----------
    graph
        Serialised model.
    name
        For messages.
    device
        ``auto`` takes CUDA when this machine can, else the CPU.
    threads
        Of the CPU provider; all processors when None.

    Raises
    ------
    AtlasError
        onnxruntime cannot load the graph.
    InputError
        No such device, or ``cuda`` was asked for and cannot be had.
    MissingDependencyError
        onnxruntime is not installed.
    """
    ort = onnxruntime()
    ort.set_default_logger_severity(_FATAL_ONLY)
    options = ort.SessionOptions()
    options.log_severity_level = _FATAL_ONLY
    options.intra_op_num_threads = threads or available_threads()
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # never onnxruntime's own format, which the scan of an atlas does not read
    options.add_session_config_entry("session.load_model_format", "ONNX")
    providers = _providers(ort, device)
    try:
        with _silent_stderr() if len(providers) > 1 else nullcontext():
            session = ort.InferenceSession(bytes(graph), options, providers=providers)
    except Exception as error:  # noqa: BLE001 - onnxruntime has a dozen unrelated classes
        raise AtlasError(
            f"{name}: onnxruntime {ort.__version__} cannot load this graph ({first_line(error)}). "
            "Get the atlas again, or update onnxruntime."
        ) from None
    if device == "cuda" and device_of(session) != "cuda":
        raise InputError(
            "--device cuda: ONNX Runtime could not start its CUDA provider here (no usable card, "
            "driver or CUDA libraries). Use --device auto or cpu."
        )
    return session


def device_of(session: Any) -> str:
    """Which device a session runs on: ``cuda`` or ``cpu``."""
    return "cuda" if session.get_providers()[0] == "CUDAExecutionProvider" else "cpu"


def largest_difference(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """Return the largest absolute difference, relative where values exceed 1."""
    scale = np.maximum(1.0, np.abs(expected))
    return float(np.max(np.abs(found - expected) / scale, initial=0.0))


def has_cuda_provider() -> bool:
    """Whether the installed ONNX Runtime is the GPU build."""
    return "CUDAExecutionProvider" in onnxruntime().get_available_providers()


def _providers(ort: ModuleType, device: Device) -> list[str]:
    if device not in get_args(Device):
        raise InputError(f"There is no device {device!r}; take {', '.join(get_args(Device))}.")
    cuda = has_cuda_provider()
    if device == "cuda" and not cuda:
        raise InputError(
            "--device cuda needs the GPU build of ONNX Runtime: pip uninstall onnxruntime, then "
            "pip install 'cellport[gpu]'."
        )
    if device == "cpu" or not cuda:
        return ["CPUExecutionProvider"]
    if hasattr(ort, "preload_dlls"):
        # the CUDA and cuDNN wheels, when installed, lie where the loader does not look
        with _silent_stderr(), open(os.devnull, "w") as null, redirect_stdout(null):
            ort.preload_dlls()
    return ["CUDAExecutionProvider", "CPUExecutionProvider"]


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Hide what the provider's C++ code prints while it falls back to the CPU."""
    sys.stderr.flush()
    try:
        saved = os.dup(2)
    except OSError:
        yield
        return
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(null)
