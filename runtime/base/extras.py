"""Optional packages: ask for them in one sentence where they are missing or too old."""

from __future__ import annotations

import re
import warnings
from contextlib import suppress
from importlib.util import find_spec

from cellport.runtime.errors import MissingDependencyError

# packages that are imported by another name than they are installed by
_MODULES = {"faiss-cpu": "faiss", "scikit-learn": "sklearn", "scikit-misc": "skmisc"}
# extras whose work needs an ONNX Runtime, which is an extra itself
_WITH_ONNX = ("serve", "train")
_LINE = re.compile(r"(?P<name>[\w.-]+)[\s(]*(?:>=\s*(?P<least>[\d.]+))?")


def require(extra: str, what: str) -> None:
    """Refuse to go on without the packages of an extra, as the package's own metadata lists them.

    `what` needs them, to begin a sentence: ``Writing .parquet``. Raises a MissingDependencyError
    that names those not installed or too old, and what to install; warns where cellport has no
    metadata, so that nobody knows.
    """
    from importlib.metadata import PackageNotFoundError, requires

    try:
        lines = requires("cellport") or []
    except PackageNotFoundError:
        warnings.warn(
            f"{what} needs the packages of cellport[{extra}]. Whether they are here cannot be "
            "told, since cellport was not installed but copied.",
            RuntimeWarning,
            stacklevel=2,
        )
        return
    wanted = [line for line in lines if re.search(rf"""extra\s*==\s*["']{extra}["']""", line)]
    missing = ", ".join(sorted(filter(None, map(_lacking, wanted))))
    if missing:
        # the runtime for the CPU would break that for the GPU where this is installed
        with_cpu = extra in _WITH_ONNX and _version("onnxruntime-gpu") is None
        install = f"pip install 'cellport[{extra}{',cpu' if with_cpu else ''}]'"
        raise MissingDependencyError(f"{what} needs {missing}: {install}.")


def _lacking(line: str) -> str:
    """Name what a line of requirements asks for and is not here; '' where all is well."""
    found = _LINE.match(line)
    name, least = found.group("name", "least") if found else ("", None)
    if find_spec(_MODULES.get(name, name.replace("-", "_"))) is None:
        return name
    here = _version(name)
    too_old = here is not None and least is not None and _numbers(here) < _numbers(least)
    return f"{name} {least} or newer (this is {here})" if too_old else ""


def _version(name: str) -> str | None:
    """Version of an installed package; None where it has another name, as conda gives some."""
    from importlib.metadata import PackageNotFoundError, version

    with suppress(PackageNotFoundError):
        return version(name)
    return None


def _numbers(version: str) -> list[int]:
    release = re.match(r"\d+(\.\d+)*", version)
    significant = re.sub(r"(\.0+)+$", "", release[0]) if release else "0"
    return [int(part) for part in significant.split(".")]
