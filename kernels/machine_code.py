"""Machine code of the kernels that every mapping needs, kept so that it loads without numba.

To import numba and let it set itself up takes longer than to map some ten thousand cells. So numba
compiles these kernels once, and their object code is put into a file that llvmlite, numba's own
back end, loads in milliseconds. What cannot be kept runs through numba itself.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    Functions = dict[str, Callable[..., Any]]

FUNCTIONS = {
    "all_counts": ("boolean", "float32*", "int64"),
    "first_layer": (
        "void",
        *("int64*", "int32*", "float32*"),
        *("uint8*", "int32*", "int64", "float32*", "float32*", "float32*", "float64"),
        *("float32*", "float64*", "int32*"),
        *("int32*", "float32*", "int32*", "int64*", "float32*"),
        *("int64",) * 8,
    ),
}
"""Result and arguments of each function of `entries`, as numba names them; * marks a pointer."""

# what numba writes into every function for exceptions and memory. Anything else that a version of
# numba may come to need is no reason to trap: then `_object_code` refuses and numba itself runs
_NEVER_CALLED = (
    "numba_gil_ensure", "numba_gil_release", "numba_unpickle", "numba_do_raise",
    "numba_runtime_build_excinfo_struct", "NRT_Free", "NRT_MemInfo_call_dtor",
    "PyUnicode_FromString", "PyBytes_FromStringAndSize", "PyErr_WriteUnraisable", "PyErr_Clear",
    "PyErr_SetString", "PyErr_SetNone", "Py_DecRef",
)  # fmt: skip
_HERE = Path(__file__).parent
_SOURCES = (
    "machine_code", "entries", "check_loops", "first_layer", "first_layer_loops", "jit",
    "normalise", "vector",
)  # fmt: skip
_CTYPES: dict[str, Any] = {
    "boolean": ctypes.c_bool,
    "int64": ctypes.c_int64,
    "float64": ctypes.c_double,
    "void": None,
}
_lock = threading.Lock()
_ready: Functions = {}
# the functions live as long as what loaded them
_engines: list[Any] = []


def call(name: str, *arguments: Any) -> Any:
    """Call a function of `FUNCTIONS` without the GIL; arrays are passed as pointers.

    The caller answers for types, contiguity and sizes: nothing is checked.
    """
    if not _ready:
        load()
    return _ready[name](
        *(one.ctypes.data if isinstance(one, np.ndarray) else one for one in arguments)
    )


def load() -> None:
    """Load the machine code, or compile and keep it."""
    with _lock:
        if not _ready:
            _ready.update(_kept() or _compiled())


def is_kept() -> bool:
    """Whether the machine code is there to be loaded."""
    return bool(_ready) or _read() is not None


def _kept() -> Functions | None:
    code = _read()
    return None if code is None else _linked(code)


def _compiled() -> Functions:
    from .entries import ENTRIES

    try:
        code = _object_code(ENTRIES)
        functions = _linked(code)
    except Exception:  # noqa: BLE001 - of whatever class: numba itself can do without
        return _functions(lambda name: ENTRIES[name].address)
    _write(code)
    return functions


def _object_code(entries: dict[str, Any]) -> bytes:
    llvm = _llvm()
    whole = llvm.parse_assembly("")
    for name, entry in entries.items():
        text = _self_contained(entry.inspect_llvm().replace(entry.native_name, _symbol(name)))
        whole.link_in(llvm.parse_assembly(text))
    needed = [f.name for f in whole.functions if f.is_declaration and f.name[:5] != "llvm."]
    if needed:
        raise RuntimeError(f"the kernels need {needed}")
    return bytes(target_machine().emit_object(whole))


def _self_contained(text: str) -> str:
    """Let the ways out that these kernels never take, exceptions and memory, end the process.

    They raise nothing and allocate nothing; what is left of that in their code would need numba.
    """
    text = re.sub(
        rf"^declare (.+@(?:{'|'.join(_NEVER_CALLED)})\(.*?\)).*$",
        r"define internal \1 { call void @llvm.trap() unreachable }",
        text,
        flags=re.MULTILINE,
    )
    text = re.sub(r"^(@Py\w+ =) external global i8", r"\1 internal global i8 0", text, flags=re.M)
    return text + "\ndeclare void @llvm.trap()\n"


def _linked(code: bytes) -> Functions:
    llvm = _llvm()
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target_machine())
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    _engines.append(engine)
    return _functions(lambda name: engine.get_function_address(_symbol(name)))


def _functions(address: Callable[[str], int]) -> Functions:
    functions: Functions = {}
    for name, signature in FUNCTIONS.items():
        result, *arguments = (_CTYPES.get(kind, ctypes.c_void_p) for kind in signature)
        functions[name] = ctypes.CFUNCTYPE(result, *arguments)(address(name))
    return functions


def _symbol(name: str) -> str:
    return f"cellport_{name}"


def _llvm() -> Any:
    import llvmlite.binding as llvm  # type: ignore[import-untyped]

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm


def _processor() -> tuple[str, str]:
    """Name and features of the processor to compile for; numba's variables come first."""
    llvm = _llvm()
    name = os.environ.get("NUMBA_CPU_NAME") or llvm.get_host_cpu_name()
    features = os.environ.get("NUMBA_CPU_FEATURES", "" if name.lower() == "generic" else None)
    return name, llvm.get_host_cpu_features().flatten() if features is None else features


def target_machine() -> Any:
    """Return llvmlite's target machine for this processor, as numba sets it up."""
    llvm = _llvm()
    name, features = _processor()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    return target.create_target_machine(
        cpu=name, features=features, opt=3, reloc="default", codemodel="jitdefault", jit=True
    )


def _file_name() -> str:
    """Name that changes with the kernels, the compiler and the processor."""
    import llvmlite

    key = hashlib.sha256()
    for source in _SOURCES:
        key.update((_HERE / f"{source}.py").read_bytes())
    key.update(repr((FUNCTIONS, llvmlite.__version__, _llvm().get_process_triple())).encode())
    key.update(repr(_processor()).encode())
    return f"cellport-kernels-{key.hexdigest()[:24]}.o"


def _folders() -> list[Path]:
    """Where numba would keep its own: the folder it is told, or ours, or the user's."""
    if os.environ.get("NUMBA_CACHE_DIR"):
        return [Path(os.environ["NUMBA_CACHE_DIR"])]
    home = Path(os.path.expanduser("~"))
    if not home.is_absolute():  # a user without one, as in a container that is told any number
        return [_HERE / "__pycache__"]
    if sys.platform == "win32":
        users = Path(os.environ.get("LOCALAPPDATA") or home)
    elif sys.platform == "darwin":
        users = home / "Library" / "Caches"
    else:
        users = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return [_HERE / "__pycache__", users / "cellport"]


def _read() -> bytes | None:
    for folder in _folders():
        with suppress(OSError):
            whole = (folder / _file_name()).read_bytes()
            digest, code = whole[:32], whole[32:]
            if hashlib.sha256(code).digest() == digest:
                return code
    return None


def _write(code: bytes) -> None:
    for folder in _folders():
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            part = folder / f".{_file_name()}.{os.getpid()}.part"
            part.write_bytes(hashlib.sha256(code).digest() + code)
            os.replace(part, folder / _file_name())
            return
