"""Machine code of the kernels that every mapping needs, kept so that it loads without numba.

To import numba and let it set itself up takes longer than to map some ten thousand cells. So numba
compiles these kernels once, and their object code is put into a file that llvmlite, numba's own
back end, loads in milliseconds: in ``NUMBA_CACHE_DIR`` where that is set, else in ``__pycache__``
beside this file, else in the user's cache folder. The bits are the same on every way:

- Other kernels, another llvmlite or processor, a damaged file: compiled anew, and kept.
- No folder that can be written: compiled in every process, which takes seconds.
- Code that needs more of numba than is known here, or that llvmlite cannot make or load, as another
  version or platform may have it: the same, and numba itself runs the kernels.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .signatures import RESULTS, packed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Functions = dict[type, Callable[[Any], Any]]

# what numba writes into every function for exceptions and memory. Anything else that a version of
# numba may come to need is no reason to trap: then `_object_code` refuses and numba itself runs
_NEVER_CALLED = {
    "numba_gil_ensure", "numba_gil_release", "numba_unpickle", "numba_do_raise",
    "numba_runtime_build_excinfo_struct", "NRT_Free", "NRT_MemInfo_call_dtor",
    "PyUnicode_FromString", "PyBytes_FromStringAndSize", "PyErr_WriteUnraisable", "PyErr_Clear",
    "PyErr_SetString", "PyErr_SetNone", "Py_DecRef",
}  # fmt: skip
_HERE = Path(__file__).parent
_lock = threading.Lock()
_ready: Functions = {}
# the functions live as long as what loaded them
_engines: list[Any] = []


def call(arguments: tuple[Any, ...]) -> Any:
    """Call the function of a signature without the GIL.

    Parameters
    ----------
    arguments
        An object of a signature in `cellport.kernels.signatures`. Positions in arrays are trusted.

    Raises
    ------
    TypeError, ValueError
        As `cellport.kernels.signatures.packed` does.
    """
    if not _ready:
        warmup()
    return _ready[type(arguments)](ctypes.byref(packed(arguments)))


def warmup() -> float:
    """Load the machine code, or compile and keep it.

    Returns
    -------
    float
        Seconds it took: the compilation the first time, later some milliseconds.
    """
    start = time.perf_counter()
    with _lock:
        if not _ready:
            _ready.update(_loaded())
    return time.perf_counter() - start


def is_compiled() -> bool:
    """Tell at the cost of reading one small file whether nothing needs compiling."""
    with suppress(Exception):
        return bool(_ready) or _read() is not None
    return False


def _loaded() -> Functions:
    try:
        code = _read()
        return _compiled() if code is None else _linked(code)
    except Exception:  # noqa: BLE001 - of whatever class: numba itself can do without
        from .entries import ENTRIES

        return _functions(lambda signature: ENTRIES[signature].address)


def _compiled() -> Functions:
    from .entries import ENTRIES

    code = _object_code(ENTRIES)
    functions = _linked(code)
    _write(code)
    return functions


def _object_code(entries: dict[type, Any]) -> bytes:
    llvm = _llvm()
    whole = llvm.parse_assembly("")
    for signature, entry in entries.items():
        module = llvm.parse_assembly(entry.inspect_llvm())
        module.get_function(entry.native_name).name = _symbol(signature)
        whole.link_in(module)
    whole.link_in(llvm.parse_assembly(_traps(whole)))
    return bytes(target_machine().emit_object(whole))


def _traps(module: Any) -> str:
    """Let the ways out that these kernels never take, exceptions and memory, end the process.

    They raise nothing and allocate nothing; what is left of that in their code would need numba.
    """
    declared = {
        one.name for one in (*module.functions, *module.global_variables) if one.is_declaration
    }
    names = sorted(name for name in declared if not name.startswith("llvm."))
    needed = [name for name in names if not (name in _NEVER_CALLED or name.startswith("PyExc_"))]
    if needed:
        raise RuntimeError(f"the kernels need {needed}")
    traps = (
        f"define hidden void @{name}() {{ call void @llvm.trap() unreachable }}" for name in names
    )
    return "\n".join(["declare void @llvm.trap()", *traps])


def _linked(code: bytes) -> Functions:
    llvm = _llvm()
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target_machine())
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    _engines.append(engine)
    return _functions(lambda signature: engine.get_function_address(_symbol(signature)))


def _functions(address: Callable[[type], int]) -> Functions:
    return {
        signature: ctypes.CFUNCTYPE(result, ctypes.c_void_p)(address(signature))
        for signature, result in RESULTS.items()
    }


def _symbol(signature: type) -> str:
    return f"cellport_{signature.__name__}"


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
    for source in sorted(_HERE.glob("*.py*")):
        key.update(source.read_bytes())
    compiler = (llvmlite.__version__, _llvm().get_process_triple(), _processor())
    key.update(repr(compiler).encode())
    return f"cellport-kernels-{key.hexdigest()[:24]}.o"


def _folders() -> Iterator[Path]:
    """Where numba would keep its own: the folder it is told, or ours, or the user's."""
    if told := os.environ.get("NUMBA_CACHE_DIR"):
        yield Path(told)
        return
    yield _HERE / "__pycache__"
    from platformdirs import user_cache_dir  # here: hardly anybody gets this far

    with suppress(RuntimeError):  # a user without a home, as in a container told any number
        users = Path(user_cache_dir("cellport", appauthor=False))
        if users.is_absolute():  # platformdirs before it raised
            yield users


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
