"""The benchmarks start, take what exists, and the pages show what they found."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted((ROOT / "benchmarks").rglob("*.py"))
# of a command, as pages, tables and comments name it
COMMAND = re.compile(r"(?:python -m |``|<!-- )(benchmarks(?:\.[a-z_]+)+)")
NAMING = [
    path
    for pattern in ("*.md", "docs/*.md", "benchmarks/**/*", "train/**/*", "runtime/**/*")
    for path in sorted(ROOT.glob(pattern))
    if path.suffix in (".md", ".py") and COMMAND.search(path.read_text())
]
PEERS = [path for path in FILES if path.name == "peers.py"]


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imports(path: Path) -> Iterator[tuple[str, str, str]]:
    """Module, name and local name of everything imported from cellport and the benchmarks."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom) and node.module:
            if node.module.partition(".")[0] in ("cellport", "benchmarks"):
                for alias in node.names:
                    yield node.module, alias.name, alias.asname or alias.name
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.partition(".")[0] == "cellport":
                    yield alias.name, "", alias.name


def of_benchmarks(module: str) -> Path:
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def defined(path: Path) -> set[str]:
    """Names that a module has, without importing it: peers need another environment."""
    names = {local for _, _, local in imports(path)}
    for node in tree(path).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {n.id for target in targets for n in ast.walk(target) if hasattr(n, "id")}
    return names


def from_cellport(module: str, name: str) -> object:
    found = importlib.import_module(module)
    if name and not hasattr(found, name):
        return importlib.import_module(f"{module}.{name}")
    return getattr(found, name) if name else found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_benchmarks_take_what_exists(path: Path) -> None:
    """Names from cellport, also those that are set to other values, and from each other."""
    taken = {}
    for module, name, local in imports(path):
        if module.startswith("cellport"):
            taken[local] = from_cellport(module, name)
        else:
            inside = name in defined(of_benchmarks(module))
            assert inside or of_benchmarks(f"{module}.{name}").exists(), (module, name)
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module = taken.get(node.value.id)
            assert not isinstance(module, ModuleType) or hasattr(module, node.attr), node.attr


@pytest.mark.parametrize("path", PEERS, ids=lambda path: path.parent.name)
def test_peers_need_nothing_of_cellport(path: Path) -> None:
    """Their environment has other tools, and what they share with us must run in it too."""
    seen, todo = set(), [path]
    for one in todo:
        for module, name, _ in imports(one):
            assert not module.startswith("cellport"), one
            below = [of_benchmarks(module), of_benchmarks(f"{module}.{name}")]
            todo += [other for other in below if other.exists() and other not in seen]
            seen.update(below)


def test_pages_show_the_results(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables between the marks are those that the stored results make."""
    monkeypatch.syspath_prepend(ROOT)
    from benchmarks import consensus, outlook, species
    from benchmarks.explain import __main__ as explain
    from benchmarks.extend import tables as extend
    from benchmarks.foreign import __main__ as foreign
    from benchmarks.mapping import groups, unmeasured
    from benchmarks.mapping import tables as mapping
    from benchmarks.mapping.runs import Runs
    from benchmarks.panels import tables as panels
    from benchmarks.scaling import tables as scaling
    from benchmarks.shared.results import RESULTS, filled, read

    shown = [(scaling.PAGE, mark, text) for mark, text in scaling.blocks().items()]
    for page, text in mapping.blocks(Runs(RESULTS / "mapping.json").rows).items():
        shown.append((page, "benchmarks.mapping", text))
    found = unmeasured.table(read(RESULTS / "unmeasured.json"))
    shown.append((groups.PAGE, groups.MARK, groups.table(read(RESULTS / "groups.json"))))
    shown.append((unmeasured.PAGE, unmeasured.MARK, found))
    converted = foreign.page_table(read(RESULTS / "foreign.json"))
    shown.append((foreign.PAGE, foreign.MARK, converted))
    shown.append((panels.PAGE, panels.MARK, panels.page_table(read(RESULTS / "panels.json"))))
    shown.append((explain.PAGE, explain.MARK, explain.table(read(RESULTS / "explain.json"))))
    across = species.table(read(RESULTS / "species.json"))
    shown.append((species.PAGE, species.MARK, across))
    joint = consensus.table(read(RESULTS / "consensus.json"))
    shown.append((consensus.PAGE, consensus.MARK, joint))
    shown.append((outlook.PAGE, outlook.MARK, outlook.table(read(RESULTS / "outlook.json"))))
    shown.append((extend.PAGE, extend.MARK, extend.tables(read(RESULTS / "extend.json"))))
    for page, mark, text in shown:
        assert text in page.read_text(), mark
        assert filled(page.read_text(), mark, text) == page.read_text()


@pytest.mark.parametrize("path", NAMING, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_commands_that_are_named_exist(path: Path) -> None:
    for name in COMMAND.findall(path.read_text()):
        found = of_benchmarks(name)
        program = found.with_name("__main__.py") if found.name == "__init__.py" else found
        assert program.exists(), name
        assert 'if __name__ == "__main__":' in program.read_text(), name


def test_benchmarks_start_without_an_install() -> None:
    command = [sys.executable, "-m", "benchmarks.mapping", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    assert "usage: python -m benchmarks.mapping" in done.stdout
