"""What an installation weighs, by package, and how long a command needs to start.

    python -m benchmarks.weight

A wheel of this tree is installed with the extra ``cpu`` into a new environment, byte code left
out. Sizes are those of the files that each distribution names; seconds are whole processes of
``cellport --version`` and of ``cellport info lung``, medians. Results go to
``benchmarks/results/weight.json`` and ``docs/install.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.shared.command import measure_and_show, parser
from benchmarks.shared.results import ROOT, facts, markdown

MARK, PAGE = "benchmarks.weight", ROOT / "docs" / "install.md"
_TIMES = 7
# what is lighter is counted together
_SHOWN = 5e6
_WHAT_FOR = {
    "llvmlite": "compiles the kernels, and loads what it compiled",
    "scipy": "sparse matrices in Python, training, comparing; not started by mapping",
    "onnxruntime": "the network",
    "numpy": "arrays",
    "onnx": "`cellport convert`; not started by mapping",
    "cellport": "with five atlases and the page",
    "numba": "writes the kernels for llvmlite; not started by mapping once they are compiled",
    "h5py": "files",
    "pygments": "comes with rich, which draws progress and tables",
}
_SIZES = """
import importlib.metadata as metadata, json
sizes = {}
for one in metadata.distributions():
    paths = (one.locate_file(file) for file in one.files or () if file.suffix != ".pyc")
    sizes[one.metadata["Name"]] = sum(path.stat().st_size for path in paths if path.is_file())
print(json.dumps(sizes))
"""


def measure(_: argparse.Namespace) -> dict[str, Any]:
    """Install, weigh and start."""
    with tempfile.TemporaryDirectory() as folder:
        env = Path(folder) / "env"
        _run(sys.executable, "-m", "venv", str(env))
        pip = [str(env / "bin" / "python"), "-m", "pip"]
        _run(*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, str(ROOT))
        (wheel,) = Path(folder).glob("cellport-*.whl")
        _run(*pip, "install", "--quiet", "--no-compile", f"{wheel}[cpu]")
        sizes = json.loads(_run(str(env / "bin" / "python"), "-c", _SIZES))
        command = str(env / "bin" / "cellport")
        seconds = {
            "--version": _seconds(command, "--version"),
            "info": _seconds(command, "info", "lung"),
        }
    for own in ("pip", "setuptools"):
        sizes.pop(own, None)
    return facts() | {"bytes": sizes, "seconds": seconds}


def _run(*command: str) -> str:
    # as anybody's environment: modules are compiled when they are first imported
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(command, check=True, capture_output=True, text=True, env=env).stdout


def _seconds(*command: str) -> float:
    taken = []
    for _ in range(_TIMES + 1):
        began = time.perf_counter()
        _run(*command)
        taken.append(time.perf_counter() - began)
    return round(statistics.median(taken[1:]), 2)


def table(made: dict[str, Any]) -> str:
    """Set sizes by package, the largest first."""
    sizes = sorted(made["bytes"].items(), key=lambda one: -one[1])
    rows = [
        (f"`{name}`", f"{size / 1e6:.0f}", _WHAT_FOR.get(name, ""))
        for name, size in sizes
        if size > _SHOWN
    ]
    rest = [size for _, size in sizes if size <= _SHOWN]
    rows.append((f"{len(rest)} others", f"{sum(rest) / 1e6:.0f}", ""))
    whole = sum(made["bytes"].values()) / 1e6
    seconds = made["seconds"]
    said = (
        f"`pip install 'cellport[cpu]'` takes {whole:.0f} MB on disk; `cellport --version` needs "
        f"{seconds['--version']:.2f} s and `cellport info lung` {seconds['info']:.2f} s, "
        f"whole processes ({made['date']}, {made['machine']})."
    )
    return f"{said}\n\n{markdown(('package', 'MB', 'what for'), rows, 'lrl')}"


def main() -> None:
    """Weigh, and print the table."""
    measure_and_show(parser("weight", __doc__, "table out"), measure, table, PAGE, MARK)


if __name__ == "__main__":
    main()
