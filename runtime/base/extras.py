"""Optional packages: ask for them in one sentence where they are missing or too old."""

from __future__ import annotations

import re
import warnings
from importlib.util import find_spec

from cellport.runtime.errors import MissingDependencyError

# packages that are imported by another name than they are installed by
_MODULES = {"faiss-cpu": "faiss", "scikit-learn": "sklearn", "scikit-misc": "skmisc"}
# extras whose work needs an ONNX Runtime, which is an extra itself
_WITH_ONNX = ("serve", "train")
_LINE = re.compile(r"(?P<name>[\w.-]+)[\s(]*(?:>=\s*(?P<least>[\d.]+))?")


def require(extra: str, what: str) -> None:
    """Refuse to go on without the packages of an extra, as the package's own metadata lists them.

    Parameters
    ----------
    extra
        Its name in ``cellport[...]``.
    what
        What needs them, to begin a sentence: ``Writing .parquet``.

    Raises
    ------
    MissingDependencyError
        Some are not installed or too old; it names them and what to install.

    Warns
    -----
    RuntimeWarning
        cellport has no metadata here, so that nobody knows.
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
    missing = sorted(filter(None, map(_lacking, wanted)))
    if missing:
        raise MissingDependencyError(
            f"{what} needs {', '.join(missing)}: pip install 'cellport[{_to_install(extra)}]'."
        )


def _lacking(line: str) -> str:
    """Name what a line of requirements asks for and is not here; '' where all is well."""
    from importlib.metadata import PackageNotFoundError, version

    found = _LINE.match(line)
    name, least = found.group("name", "least") if found else ("", None)
    if find_spec(_MODULES.get(name, name.replace("-", "_"))) is None:
        return name
    try:
        here = version(name)
    except PackageNotFoundError:  # installed under another name, as conda does
        return ""
    too_old = least is not None and _numbers(here) < _numbers(least)
    return f"{name} {least} or newer (this is {here})" if too_old else ""


def _numbers(version: str) -> list[int]:
    release = re.match(r"[\d.]*\d", version)
    numbers = [int(part) for part in release[0].split(".") if part] if release else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return numbers


def _to_install(extra: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    if extra not in _WITH_ONNX:
        return extra
    try:
        version("onnxruntime-gpu")
    except PackageNotFoundError:
        return f"{extra},cpu"
    return extra  # the wheel for the CPU would break the one that is there
