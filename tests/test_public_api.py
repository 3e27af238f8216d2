"""The names that ``import cellport`` offers."""

from __future__ import annotations

import importlib.util
import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import cellport


def _python(code: str) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, cwd="/", check=True).stdout


def test_every_name_can_be_had_and_explains_itself() -> None:
    for name in cellport.__all__:
        thing = getattr(cellport, name)
        assert name in dir(cellport)
        if name != "__version__":
            assert inspect.getdoc(thing), name


def test_names_for_type_checkers_are_those_at_run_time() -> None:
    text = Path(cellport.__file__).read_text()
    block = text[text.index("if TYPE_CHECKING") : text.index("_HOME")]
    stated = {line.split()[-1] for line in block.splitlines() if " import " in line}
    assert stated == set(cellport.__all__)


def test_star_import() -> None:
    found: dict[str, Any] = {}
    exec("from cellport import *", found)
    assert set(cellport.__all__) <= set(found)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'cellport' has no attribute 'load_atlass'"):
        cellport.load_atlass  # noqa: B018
    assert not hasattr(cellport, "torch")


def test_every_error_is_a_cellport_error() -> None:
    errors = [name for name in cellport.__all__ if name.endswith("Error")]
    assert len(errors) == 6
    for name in errors:
        assert issubclass(getattr(cellport, name), cellport.CellportError)


def test_version_is_that_of_the_package() -> None:
    from importlib.metadata import version

    assert cellport.__version__ == version("cellport")


def test_loading_an_atlas_and_mapping_need_no_torch(tiny_atlas_path: Path) -> None:
    code = f"""
import sys, numpy, cellport
atlas = cellport.load_atlas({str(tiny_atlas_path)!r})
names = list(atlas.panel.symbols)
counts = numpy.random.default_rng(0).poisson(2, (3, len(names))).astype(numpy.float32)
mapping = atlas.map((counts, names), threads=1)
print(mapping.n_cells, sorted({{"torch", "onnx", "pandas", "anndata"}} & set(sys.modules)))
"""
    assert _python(code) == "3 []\n"


def test_training_without_its_packages_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "cellport.runtime.base.extras.find_spec",
        lambda name: None if name == "torch" else find(name),
    )
    with pytest.raises(cellport.MissingDependencyError, match=r"torch: pip install 'cellport\[tr"):
        cellport.train_atlas  # noqa: B018


def test_the_package_is_typed() -> None:
    assert Path(cellport.__file__).with_name("py.typed").exists()
