"""The plan of the house: rooms, the arrows between them, their sizes, and the price of entering."""

from __future__ import annotations

import ast
import os
import re
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("cellport", "kernels", "models", "runtime", "train", "web")
PAGE = ROOT / "web" / "page" / "src"

# every room, and what it may take from; one line a room, from the ground floor up. A room is a
# folder, or a module that stands beside folders
GROUND = "runtime.errors runtime.version runtime.decisions"
DATA = f"{GROUND} runtime.base runtime.ontology runtime.genes runtime.atlas runtime.sources"
MODELLED = f"{DATA} kernels models train.config train.cells train.progress train.degrade"
ARROWS = {
    "kernels": "",
    "models": "",
    "runtime.errors": "",
    "runtime.version": "",
    "runtime.decisions": "",
    "runtime.base": GROUND,
    "runtime.ontology": f"{GROUND} runtime.base",
    "runtime.genes": f"{GROUND} runtime.base",
    "runtime.atlas": f"{GROUND} runtime.base runtime.genes",
    "runtime.sources": f"{GROUND} runtime.base kernels",
    "runtime.columns": f"{GROUND} runtime.sources",
    "runtime.writers": f"{GROUND} runtime.base runtime.sources runtime.columns",
    "runtime.convert": f"{GROUND} runtime.base runtime.genes runtime.atlas runtime.sources",
    "runtime.fetch": f"{GROUND} runtime.base runtime.atlas runtime.convert models",
    "runtime.mapping": f"{DATA} kernels runtime.columns runtime.writers runtime.fetch",
    "runtime.report": f"{DATA} runtime.columns runtime.writers runtime.mapping",
    "runtime.rank": f"{DATA} runtime.columns runtime.fetch runtime.mapping",
    "runtime.outlook": f"{DATA} runtime.mapping",
    "runtime.explain": f"{DATA} runtime.columns runtime.mapping",
    "runtime.map_anndata": f"{GROUND} runtime.sources runtime.mapping",
    "runtime.map_files": f"{DATA} runtime.columns runtime.writers runtime.mapping runtime.report",
    "runtime.compare": f"{DATA} kernels runtime.columns runtime.writers runtime.mapping "
    "runtime.report",
    "runtime.export": f"{DATA} runtime.columns runtime.writers runtime.mapping runtime.report",
    "runtime.cluster": f"{DATA} runtime.columns runtime.writers runtime.mapping runtime.report "
    "runtime.map_files",
    "train.degrade": "",
    "train.config": f"{GROUND} train.degrade",
    "train.cells": "",
    "train.progress": "",
    "train.features": MODELLED,
    "train.reference": f"{DATA} kernels train.progress train.cells train.features",
    "train.fit": f"{MODELLED} train.features",
    "train.infer": f"{MODELLED} train.features train.fit",
    "train.novelty": f"{MODELLED} train.features train.fit train.infer",
    "train.umap": f"{MODELLED} train.features train.fit train.infer",
    "train.structure": f"{MODELLED} train.features train.fit train.infer",
    "train.labels": f"{MODELLED} train.reference train.features train.fit train.infer "
    "train.novelty",
    "train.export": f"{MODELLED} train.reference train.features train.fit train.infer "
    "train.novelty train.umap train.structure train.labels",
    "train.build": f"{MODELLED} train.reference train.features train.fit train.infer "
    "train.novelty train.umap train.structure train.labels train.export",
    "train.api": f"{MODELLED} train.reference train.fit train.build train.export",
    "train.attach": f"{MODELLED} runtime.convert runtime.mapping train.reference train.features "
    "train.infer train.novelty train.umap train.structure train.labels train.export train.api",
    "train.extend": f"{DATA} kernels runtime.mapping train.cells train.progress train.reference "
    "train.features train.export train.attach",
    "web.server": f"{DATA} runtime.fetch runtime.mapping runtime.explain runtime.map_files "
    "runtime.rank",
    "web.mcp": f"{DATA} runtime.columns runtime.writers runtime.fetch runtime.mapping "
    "runtime.rank runtime.explain runtime.map_files web.server",
    "cellport": "kernels runtime train web",
}
PAGE_GROUND = "words decisions errors version feature_kinds"
PAGE_ARROWS = {
    "words": "",
    "decisions": "words",
    "errors": "words decisions",
    "version": "",
    "feature_kinds": "decisions",
    "genes": PAGE_GROUND,
    "atlas": PAGE_GROUND,
    "sources": PAGE_GROUND,
    "mapping": f"{PAGE_GROUND} genes atlas sources",
    "compare": f"{PAGE_GROUND} mapping",
    "report": f"{PAGE_GROUND} atlas mapping",
    "writers": f"{PAGE_GROUND} mapping",
    "runtime": f"{PAGE_GROUND} atlas sources mapping writers",
    "worker": f"{PAGE_GROUND} atlas sources mapping report writers",
    # what is seen shows the query's own columns (sources) and saves tables itself (writers)
    "page": f"{PAGE_GROUND} atlas sources mapping compare report writers worker",
    "main": "atlas mapping page worker",
}
MOST_MODULES = 12
# a file a format, or a section
WIDE = ("runtime/sources", "runtime/report")
HEAVY = (
    "torch",
    "onnx",
    "pandas",
    "anndata",
    "pyarrow",
    "zarr",
    "sklearn",
    "matplotlib",
    "dask",
    "distributed",
    "pydeseq2",
    "xlsxwriter",
)


@cache
def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name, without ``cellport.``."""
    found = {}
    for part in PARTS:
        for path in sorted((ROOT / part).rglob("*.py")):
            if "node_modules" in path.parts:
                continue
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


def taken(path: Path) -> Iterator[str]:
    """Modules that a module takes from: imports anywhere in it, and data read by package name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level:
            package = path.relative_to(ROOT).parent.parts[: len(path.parts) - node.level]
            base = ".".join(["cellport", *package, *(node.module or "").split(".")]).rstrip(".")
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "files":
            names = [node.args[0].value] if isinstance(node.args[0], ast.Constant) else []
        else:
            continue
        for name in names:
            if name == "cellport" or name.startswith("cellport."):
                yield known(name.removeprefix("cellport").lstrip(".") or "cellport")


def known(name: str) -> str:
    """Return the module that a dotted name is, or is in; the face is called ``cellport``."""
    while name not in modules() and "." in name:
        name = name.rpartition(".")[0]
    return name if name in modules() else f"cellport.{name}"


def room(module: str) -> str:
    """Return the room that a module is in."""
    part, _, below = module.partition(".")
    if part in ("runtime", "train", "web") and below:
        return f"{part}.{below.partition('.')[0]}"
    return part


def arrows() -> dict[str, dict[str, set[str]]]:
    """Rooms that each room takes from, and the modules by which."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for module, path in modules().items():
        for other in taken(path):
            if room(other) != room(module):
                found[room(module)][room(other)].add(f"{module} -> {other}")
    return found


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Return a circle of a graph, or nothing."""
    done: set[str] = set()

    def walk(here: str, way: tuple[str, ...]) -> list[str]:
        if here in way:
            return [*way[way.index(here) :], here]
        if here in done:
            return []
        for other in sorted(graph.get(here, ())):
            if found := walk(other, (*way, here)):
                return found
        done.add(here)
        return []

    return next((found for start in sorted(graph) if (found := walk(start, ()))), [])


def among_siblings(edges: list[tuple[str, str]], separator: str) -> dict[str, dict[str, set[str]]]:
    """Arrows between the children of each folder, from those between modules."""
    folders: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for one, other in edges:
        a, b = one.split(separator), other.split(separator)
        shared = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), None)
        if shared is not None:
            folders[separator.join(a[:shared])][a[shared]].add(b[shared])
    return folders


def page_modules() -> Iterator[tuple[str, str]]:
    """Arrows between the modules of the page."""
    for path in sorted(PAGE.rglob("*.ts")):
        here = path.relative_to(PAGE).with_suffix("").as_posix()
        for name in re.findall(r'(?:from|import\()\s*"(\.[^"?]*)"', path.read_text()):
            target = (path.parent / name).resolve()
            if target.with_suffix(".ts").is_file() and target.is_relative_to(PAGE):
                yield here, target.relative_to(PAGE).as_posix()


def test_every_room_is_on_the_plan() -> None:
    rooms = {room(module) for module in modules()} - {"runtime", "train", "web"}
    assert rooms == set(ARROWS)


def test_arrows_between_rooms() -> None:
    """Imports go where the plan lets them, and the plan itself goes downward only."""
    found = arrows()
    parts = {"runtime", "train", "web"}
    order = list(ARROWS)
    wrong = []
    for name, allowed in ARROWS.items():
        may = set(allowed.split())
        print(f"{name:18} takes from  {', '.join(sorted(found[name])) or 'nothing'}")
        for other, by in sorted(found[name].items()):
            if other not in may | parts and other.partition(".")[0] not in may:
                wrong += sorted(by)
        assert all(order.index(other) < order.index(name) for other in may - parts), name
    assert not wrong


def test_no_circles() -> None:
    """Neither modules nor the children of any folder go in circles."""
    edges = [(module, other) for module, path in modules().items() for other in taken(path)]
    edges = [(a, b) for a, b in edges if a != b and not f"{a}.".startswith(f"{b}.")]
    graph: dict[str, set[str]] = defaultdict(set)
    for one, other in edges:
        graph[one].add(other)
    assert not circle(graph)
    for folder, children in among_siblings(edges, ".").items():
        assert not circle(children), folder


def test_arrows_of_the_page() -> None:
    edges = list(page_modules())
    between: dict[str, set[str]] = defaultdict(set)
    for one, other in edges:
        if one.split("/")[0] != other.split("/")[0]:
            between[one.split("/")[0]].add(other.split("/")[0])
    wrong = []
    for name, allowed in PAGE_ARROWS.items():
        print(f"{name:18} takes from  {', '.join(sorted(between[name])) or 'nothing'}")
        wrong += [(name, other) for other in sorted(between[name] - set(allowed.split()))]
    assert not wrong
    order = list(PAGE_ARROWS)
    for name, allowed in PAGE_ARROWS.items():
        assert all(order.index(other) < order.index(name) for other in allowed.split()), name
    assert set(between) <= set(PAGE_ARROWS)
    graph: dict[str, set[str]] = defaultdict(set)
    for one, other in edges:
        graph[one].add(other)
    assert not circle(graph)
    for folder, children in among_siblings(edges, "/").items():
        assert not circle(children), folder


def test_rooms_are_small() -> None:
    for part in ("runtime", "train"):
        for folder in [ROOT / part, *(ROOT / part).rglob("*")]:
            side_by_side = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
            name = folder.relative_to(ROOT).as_posix()
            assert len(side_by_side) <= MOST_MODULES or name in WIDE, name


def _python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "module", ["cellport", "cellport.runtime", "cellport.runtime.map_files", "cellport.cli"]
)
def test_mapping_path_imports_nothing_heavy(module: str) -> None:
    loaded = _python(f"import {module}, sys; print(*sorted(sys.modules))").split()
    assert not set(HEAVY) & set(loaded)


def test_import_cellport_is_cheap() -> None:
    loaded = _python("import cellport, sys; print(*sys.modules)").split()
    assert not {"numpy", "numba", "h5py", "onnxruntime"} & set(loaded)


def test_runtime_import_budget() -> None:
    """Less than twice what its three big dependencies take, which it cannot do without."""
    bare = "import numpy, onnxruntime, numba"
    ours = "import cellport.runtime, cellport.runtime.map_files, onnxruntime"
    times: dict[str, list[float]] = {bare: [], ours: []}
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    for round_ in range(6):
        for code, measured in times.items():
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True, cwd="/", env=environment)
            if round_:
                measured.append(time.perf_counter() - began)
    assert statistics.median(times[ours]) < 2 * statistics.median(times[bare])
