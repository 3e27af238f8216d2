"""Do the tests notice? One small change at a time is made to a module, and its tests are run.

    python -P .ci/mutate.py                                    # some changes of each module
    python -P .ci/mutate.py runtime/sources/gate.py --most 0   # all of one
    python -P .ci/mutate.py kernels/rows.py --at 15 22         # those of these numbers

No file is changed: a process is forked for each change, in which the module is made of the changed
source. `mutants.toml` says which tests guard a module, and why some changes alter no answer.
"""

from __future__ import annotations

import argparse
import ast
import importlib.abc
import importlib.util
import os
import random
import signal
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
KNOWN = Path(__file__).with_name("mutants.toml")
SHORTEST = 30.0  # seconds that tests may take at least
_PYTEST = ["-x", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]

_OTHER: dict[type, type] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift, ast.RShift: ast.LShift, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip
_SWAPPED = (("min", "max"), ("any", "all"), ("minimum", "maximum"), ("argmin", "argmax"))
_NAMES = {one: other for a, b in _SWAPPED for one, other in ((a, b), (b, a))}
Change = Callable[[], Any]


@dataclass(frozen=True)
class Mutant:
    """A change that can be made to a tree, once."""

    line: int
    node: Any  # what is shown of it
    make: Change
    takes: bool = False  # the node itself away


def _set(node: Any, field: str, value: Any) -> Change:
    return lambda: setattr(node, field, value)


def _changes(node: Any) -> Iterator[Change]:
    """Yield what makes another operator, limit, name or condition of a node."""
    kind = type(getattr(node, "op", None))
    if kind in _OTHER:
        yield _set(node, "op", _OTHER[kind]())
    if isinstance(node, ast.Compare) and type(node.ops[0]) in _OTHER:
        yield _set(node, "ops", [_OTHER[type(node.ops[0])](), *node.ops[1:]])
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield _set(node, "value", not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        yield _set(
            node, "value", node.value + (1 if isinstance(node.value, int) else node.value or 1)
        )
    if isinstance(node, ast.Name) and node.id in _NAMES:
        yield _set(node, "id", _NAMES[node.id])
    if isinstance(node, ast.Attribute) and node.attr in _NAMES:
        yield _set(node, "attr", _NAMES[node.attr])
    if isinstance(node, ast.If | ast.While | ast.IfExp):
        yield _set(node, "test", ast.UnaryOp(ast.Not(), node.test))
    if isinstance(node, ast.comprehension) and node.ifs:
        yield _set(node, "ifs", node.ifs[1:])


def _without(parent: Any, field: str, node: Any) -> Iterator[tuple[ast.AST, Change]]:
    """Yield what takes a sign or a statement away."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub | ast.Invert):
        value = getattr(parent, field)
        if value is node:
            yield node, _set(parent, field, node.operand)
    takes = isinstance(node, ast.AugAssign | ast.Continue | ast.Break | ast.Raise) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    )
    if takes:
        body = getattr(parent, field)
        at = body.index(node)
        yield node, lambda: body.__setitem__(at, ast.Pass())


def _children(node: Any) -> Iterator[tuple[str, Any]]:
    """Yield what may be changed below: no types, decorators, texts, nor what strict looks for."""
    if isinstance(node, ast.AnnAssign):
        names = ["value"]
    elif isinstance(node, ast.FunctionDef):
        names = ["args", "body"]
    else:
        names = [name for name in node._fields if name not in ("annotation", "decorator_list")]
    for name in names:
        value = getattr(node, name, None)
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, ast.AST) and not _is_left(one):
                yield name, one


def _is_left(node: Any) -> bool:
    if isinstance(node, ast.If):
        return "TYPE_CHECKING" in ast.unparse(node.test)
    return isinstance(node, ast.arg) or getattr(node, "arg", "") == "strict"


def mutants(tree: ast.AST) -> list[Mutant]:
    """List the changes of a tree, each with the statement or expression that it is within."""
    found: list[Mutant] = []

    def visit(node: Any, line: int) -> None:
        line = getattr(node, "lineno", line)
        found.extend(Mutant(line, node, change) for change in _changes(node))
        for field, child in _children(node):
            for gone, change in _without(node, field, child):
                found.append(Mutant(child.lineno, gone, change, takes=True))
            visit(child, line)

    visit(tree, 0)
    return found


def _shown(node: ast.AST) -> str:
    return ast.unparse(node).split("\n")[0]


class _Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads one module from a tree, as if that stood in its file."""

    def __init__(self, module: str, path: Path, tree: ast.AST) -> None:
        self.module, self.path, self.tree = module, path, tree

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if name != self.module:
            return None
        return importlib.util.spec_from_file_location(name, self.path, loader=self)

    def create_module(self, spec: Any) -> Any:
        return None

    def exec_module(self, module: Any) -> None:
        tree = ast.fix_missing_locations(self.tree)
        exec(compile(tree, str(self.path), "exec"), module.__dict__)


def _child(finder: _Changed, tests: list[str], log: str) -> int:
    """Run tests on a changed module: 0 where all pass, 1 where one fails, 2 without the module."""
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.meta_path.insert(0, finder)
    try:
        from cellport.kernels import jit

        if Path(jit.__file__).resolve() != ROOT / "kernels" / "jit.py":
            print(f"cellport is that of {jit.__file__}")
            return 3
        if finder.module.startswith("cellport.kernels."):
            # machine code that was kept is of the kernels as they are
            jit.kernel = jit.part
            from cellport.kernels import machine_code

            machine_code._read = lambda: None
            machine_code._write = lambda code: None
        import pytest

        failed = pytest.main([*_PYTEST, *tests])
    except Exception as error:  # noqa: BLE001 - whatever the change has led to
        print(repr(error))
        return 1
    if finder.module not in sys.modules:
        return 2
    return 1 if failed else 0


def _outcome(finder: _Changed, tests: list[str], log: str, limit: float) -> tuple[int, float]:
    """Fork, wait, and end what takes too long: the result of `_child`, and seconds."""
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        os.setsid()
        os._exit(_child(finder, tests, log))
    while time.monotonic() - start < limit:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status), time.monotonic() - start
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return 1, limit


def _chosen(source: str, most: int, seed: str) -> list[int]:
    places = range(len(mutants(ast.parse(source))))
    drawn = random.Random(seed).sample(places, most) if 0 < most < len(places) else places
    return sorted(drawn)


def check(name: str, guard: dict[str, Any], options: argparse.Namespace) -> None:
    """Print what the tests of a module do not notice."""
    path = ROOT / name
    source = path.read_text()
    module = "cellport." + name.removesuffix(".py").replace("/", ".")
    log = os.path.join(tempfile.gettempdir(), f"mutate-{os.getpid()}.log")
    code, usual = _outcome(_Changed(module, path, ast.parse(source)), guard["tests"], log, 600)
    if code:
        said = Path(log).read_text()
        sys.exit(f"{name}: its tests fail without a change, or do not import it:\n{said}")
    killed, known, survivors = 0, 0, []
    places = options.at or _chosen(source, options.most, f"{options.seed} {name}")
    lines = source.splitlines()
    for at in places:
        tree = ast.parse(source)
        one = mutants(tree)[at]
        before = _shown(one.node)
        one.make()
        after = "(taken away)" if one.takes else _shown(one.node)
        limit = max(SHORTEST, 5 * usual)
        code, _ = _outcome(_Changed(module, path, tree), guard["tests"], log, limit)
        key = f"{lines[one.line - 1].strip()} | {before} -> {after}"
        if code:
            killed += 1
        elif any(part in key for part in guard.get("equal", {})):
            known += 1
        else:
            survivors.append(f"  {name}:{one.line}: {key}  #{at}")
            print(survivors[-1], flush=True)
    print(
        f"{name}: {len(places)} changes, {killed} noticed, {known} known to alter no answer, "
        f"{len(survivors)} not noticed ({usual:.1f} s each)",
        flush=True,
    )


def main() -> None:
    """Read the arguments, import what all tests need once, and check one module after another."""
    parser = argparse.ArgumentParser()
    parser.add_argument("modules", nargs="*")
    parser.add_argument("--most", type=int, default=30, help="changes drawn of a module, 0 for all")
    parser.add_argument("--at", type=int, nargs="+", help="only changes of these numbers")
    parser.add_argument("--seed", default="0")
    options = parser.parse_args()
    os.chdir(ROOT)
    guards = tomllib.loads(KNOWN.read_text())
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("CELLPORT_TRAINED", folder)
        for library in (
            "numpy",
            "scipy.sparse",
            "numba",
            "pytest",
            "hypothesis",
            "anndata",
            "h5py",
        ):
            importlib.import_module(library)
        for name in options.modules or guards:
            check(name, guards[name], options)


if __name__ == "__main__":
    main()
