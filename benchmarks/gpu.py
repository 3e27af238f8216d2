"""Mapping and training on a graphics card, beside the processors of the same machine.

    python -m benchmarks.gpu [--cells 200000] [--minutes 8]
    python -m benchmarks.gpu --device cpu --cells 2000       tries the script where there is no card

One run of at most eight minutes on a fresh machine; what does not fit into them is left out and
named. In this order: whether the card gives the answers of the processors, for the shipped atlases
and the demonstration's cells; how fast generated cells are mapped from memory, from an uncompressed
and from a gzip file; how fast one model is trained, in float32 and in bfloat16, and what its loss
comes to. Needs `cellport[gpu,train]`. Results go to ``benchmarks/results/gpu.json``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Literal

import anndata
import numpy as np

import cellport
from benchmarks.shared.command import parser
from benchmarks.shared.data import LUNG
from benchmarks.shared.results import ROOT, facts, write
from benchmarks.shared.tiled import kept_file
from cellport.runtime.atlas.session import device_of, open_session
from cellport.runtime.columns import LABEL
from cellport.runtime.errors import CellportError

Device = Literal["cpu", "cuda"]
MATRICES = ("X_cellport", "X_cellport_umap")
PRETRAINED = ROOT / "models" / "pretrained"
ROUNDS = 3
TRAINED_CELLS, EPOCHS = 50_000, 3
PRECISIONS = ("32-true", "bf16-mixed")


class NoCardError(Exception):
    """There is no card, or a library to use it with."""


def card(device: Device) -> dict[str, Any]:
    """Name the card; a `NoCardError` where ONNX Runtime or torch cannot use one."""
    import torch

    if device == "cpu":
        return {"name": "none: tried on the processors"}
    try:
        first = next(PRETRAINED.glob("*.cellport"))
        session = open_session(cellport.load_atlas(first).file.read("decoder.onnx"), "it", "cuda")
    except CellportError as error:
        raise NoCardError(str(error)) from None
    if device_of(session) != "cuda" or not torch.cuda.is_available():
        raise NoCardError("torch finds no CUDA device here.")
    about = torch.cuda.get_device_properties(0)
    return {
        "name": about.name,
        "memory_gb": round(about.total_memory / 1e9),
        "torch": torch.__version__,
    }


def equality(device: Device) -> dict[str, Any]:
    """Compare the answers on the device with those of the processors, by shipped atlas."""
    found = {}
    with as_file(files("cellport") / "demo_data" / "lung_sample.h5ad") as query:
        for path in sorted(PRETRAINED.glob("*.cellport")):
            atlas = cellport.load_atlas(path)
            here, there = (atlas.map(query, device=one) for one in ("cpu", device))
            found[path.stem] = {
                "labels": float(np.mean(here[LABEL] == there[LABEL])),
                "largest_difference": max(
                    _difference(there.obsm[name], here.obsm[name]) for name in MATRICES
                ),
            }
    return found


def _difference(found: Any, expected: Any) -> float:
    known = np.isfinite(expected)
    gap = np.abs(found - expected) / np.maximum(1, np.abs(expected))
    return float(np.max(gap[known], initial=0))


def mapping(device: Device, cells: int, cache: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Cells a second by where they come from, on the device and on the processors."""
    atlas = cellport.load_atlas(PRETRAINED / "lung.cellport")
    plain = kept_file(cache / f"plain_{cells}.h5ad", cells, None)
    packed = kept_file(cache / f"gzip_{cells}.h5ad", cells, "gzip")
    queries = {"memory": anndata.read_h5ad(plain), "uncompressed file": plain, "gzip file": packed}
    for name, query in queries.items():
        yield name, {one: _rate(atlas, query, one, cells) for one in dict.fromkeys((device, "cpu"))}


def _rate(atlas: cellport.Atlas, query: Any, device: Any, cells: int) -> int:
    seconds = []
    for _ in range(ROUNDS + 1):
        began = time.perf_counter()
        for _block in atlas.stream(query, device=device).blocks:
            pass
        seconds.append(time.perf_counter() - began)
    return round(cells / statistics.median(seconds[1:]))


def training(device: Device, cells: int, cache: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Seconds of an epoch and the last loss, by device and precision."""
    import torch

    path = kept_file(cache / f"train_{cells}.h5ad", cells, None)
    plans = [(device, precision) for precision in PRECISIONS] + [("cpu", PRECISIONS[0])]
    for where, precision in dict.fromkeys(plans):
        if where == "cuda":
            torch.cuda.reset_peak_memory_stats()
        yield f"{where}, {precision}", _trained(path, where, precision)


def _trained(path: Path, device: str, precision: str) -> dict[str, Any]:
    import torch

    seen: list[tuple[float, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "made.cellport"
        cellport.train_atlas(
            path, out, labels=LUNG.label, batch=LUNG.batch, epochs=EPOCHS, device=device,
            precision=precision, on_progress=lambda step: seen.append((time.perf_counter(), step)),
        )  # fmt: skip
        held_out = cellport.load_atlas(out).file.manifest.held_out
    ends: dict[int, float] = {}
    losses: dict[int, dict[str, float]] = {}
    for at, step in seen:
        if step.part == "model" and step.epoch and step.losses and not step.within:
            ends.setdefault(step.epoch, at)
            losses.setdefault(step.epoch, step.losses)
    between = np.diff(list(ends.values()))
    memory = torch.cuda.max_memory_allocated() / 1e6 if device == "cuda" else None
    return {
        "seconds_an_epoch": round(float(np.median(between)), 2) if len(between) else None,
        "losses": {name: round(loss, 4) for name, loss in losses[max(losses)].items()},
        "held_out_accuracy": None if held_out is None else held_out.accuracy,
        "card_memory_mb": None if memory is None else round(memory),
    }


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure in order until the minutes are over."""
    until = time.monotonic() + 60 * options.minutes
    made: dict[str, Any] = facts() | {"card": card(options.device), "left_out": []}
    made["equality"] = equality(options.device)
    parts: dict[str, Callable[..., Iterator[tuple[str, dict[str, Any]]]]] = {
        "mapping": mapping,
        "training": training,
    }
    cells = {"mapping": options.cells, "training": min(TRAINED_CELLS, options.cells)}
    for part, measure in parts.items():
        made[part] = {}
        for name, found in measure(options.device, cells[part], options.cache):
            made[part][name] = found
            print(json.dumps({part: {name: found}}), flush=True)
            if time.monotonic() > until:
                made["left_out"].append(f"what comes after {name} in {part}")
                break
    return made


def main() -> None:
    """Measure, keep the figures and print them."""
    command = parser("gpu", __doc__, "out cache")
    command.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    command.add_argument("--cells", type=int, default=200_000)
    command.add_argument("--minutes", type=float, default=8)
    options = command.parse_args()
    try:
        made = run(options)
    except NoCardError as error:
        sys.exit(f"Nothing was measured: {error}")
    if options.device == "cuda":
        write(options.out, made)
    print(json.dumps(made, indent=1))


if __name__ == "__main__":
    main()
