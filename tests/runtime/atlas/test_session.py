from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from cellport.runtime.atlas import session as session_module
from cellport.runtime.atlas.file import open_atlas_file
from cellport.runtime.atlas.session import device_of, onnxruntime, open_session
from cellport.runtime.errors import AtlasError, InputError, MissingDependencyError


def _import_fails(monkeypatch: pytest.MonkeyPatch, error: ImportError) -> None:
    class Finder:
        @staticmethod
        def find_spec(name: str, *_: Any) -> None:
            if name == "onnxruntime":
                raise error

    monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Finder, *sys.meta_path])


def test_without_onnxruntime_both_extras_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    _import_fails(monkeypatch, ModuleNotFoundError("No module named 'onnxruntime'"))
    with pytest.raises(MissingDependencyError) as caught:
        onnxruntime()
    assert "cellport[cpu]" in str(caught.value)
    assert "cellport[gpu]" in str(caught.value)
    assert "import failed" not in str(caught.value)


def test_import_that_fails_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    _import_fails(monkeypatch, ImportError("libfoo.so: cannot open shared object file"))
    with pytest.raises(MissingDependencyError, match=r"libfoo\.so"):
        onnxruntime()


def test_broken_package_says_to_uninstall_both(monkeypatch: pytest.MonkeyPatch) -> None:
    # what is left of the folder when one of the two builds was uninstalled
    monkeypatch.setitem(sys.modules, "onnxruntime", ModuleType("onnxruntime"))
    with pytest.raises(MissingDependencyError, match="uninstall both"):
        onnxruntime()


@pytest.mark.parametrize("graph", [b"", b"nonsense", bytes(1000), b"\x08\x07\x12\x04torch"])
def test_garbage_graph_is_refused_by_name(graph: bytes) -> None:
    with pytest.raises(AtlasError, match=r"^encoder\.onnx: "):
        open_session(graph, "encoder.onnx", device="cpu")


def test_unknown_device_is_refused() -> None:
    with pytest.raises(InputError, match="'gpu'; take auto, cpu, cuda"):
        open_session(b"", "encoder.onnx", device="gpu")  # type: ignore[arg-type]


class _FakeRuntime:
    """A build of onnxruntime with the providers named, of which only the CPU starts."""

    __version__ = "0"

    def __init__(self, *available: str) -> None:
        self.available = list(available)
        self.asked: list[str] = []

    class SessionOptions:
        def add_session_config_entry(self, key: str, value: str) -> None: ...

    def set_default_logger_severity(self, level: int) -> None: ...

    def get_available_providers(self) -> list[str]:
        return self.available

    def preload_dlls(self) -> None:
        print("Failed to load libcublasLt.so.13")
        os.write(2, b"frightening lines about CUDA\n")

    def InferenceSession(self, graph: bytes, options: Any, providers: list[str]) -> Any:  # noqa: N802
        self.asked = providers
        os.write(2, b"more frightening lines\n" if len(providers) > 1 else b"")

        class Session:
            def get_providers(self) -> list[str]:
                return ["CPUExecutionProvider"]

        return Session()


def _pretend(monkeypatch: pytest.MonkeyPatch, *available: str) -> _FakeRuntime:
    fake = _FakeRuntime(*available)
    monkeypatch.setattr(session_module, "onnxruntime", lambda: fake)
    return fake


def test_cuda_on_a_cpu_build_names_the_gpu_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    _pretend(monkeypatch, "CPUExecutionProvider")
    with pytest.raises(InputError, match=r"cellport\[gpu\]"):
        open_session(b"", "encoder.onnx", device="cuda")


def test_cuda_on_a_machine_without_a_card_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    _pretend(monkeypatch, "CUDAExecutionProvider", "CPUExecutionProvider")
    with pytest.raises(InputError, match="could not start its CUDA provider"):
        open_session(b"", "encoder.onnx", device="cuda")


def test_auto_falls_back_to_the_cpu_in_silence(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    fake = _pretend(monkeypatch, "CUDAExecutionProvider", "CPUExecutionProvider")
    assert device_of(open_session(b"", "encoder.onnx")) == "cpu"
    assert fake.asked == ["CUDAExecutionProvider", "CPUExecutionProvider"]
    assert capfd.readouterr() == ("", "")
    print("heard again")
    assert capfd.readouterr().out == "heard again\n"


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_cpu_build_asks_for_the_cpu_alone(monkeypatch: pytest.MonkeyPatch, device: Any) -> None:
    fake = _pretend(monkeypatch, "AzureExecutionProvider", "CPUExecutionProvider")
    open_session(b"", "encoder.onnx", device=device)
    assert fake.asked == ["CPUExecutionProvider"]


def test_nothing_is_reported_to_the_maker_of_onnxruntime(
    tmp_path: Path, tiny_atlas_path: Path
) -> None:
    """Where it would, it keeps an identifier in the home and a file among the temporary ones."""
    code = (
        "import sys, cellport\ncellport.load_atlas(sys.argv[1]).decode([[0.0] * int(sys.argv[2])])"
    )
    n_latent = open_atlas_file(tiny_atlas_path).manifest.n_latent
    gone = ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME", "CI")
    environment = {name: value for name, value in os.environ.items() if name not in gone}
    subprocess.run(
        [sys.executable, "-c", code, str(tiny_atlas_path), str(n_latent)],
        env={**environment, "HOME": str(tmp_path), "TMPDIR": str(tmp_path)},
        check=True,
    )
    assert list(tmp_path.rglob("*")) == []
