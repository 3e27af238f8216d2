"""The page that describes the format says what the code reads."""

from __future__ import annotations

import importlib.util
import json
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema_rs
import pytest

from cellport.runtime.atlas.arrays import ANSWERS

DOCS = Path(__file__).resolve().parents[3] / "docs"


@pytest.fixture(scope="module")
def tables() -> ModuleType:
    spec = importlib.util.spec_from_file_location("format_tables", DOCS / "format_tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tables_are_those_of_the_code(tables: ModuleType) -> None:
    assert tables.page() == (DOCS / "format.md").read_text(), "run: python docs/format_tables.py"


def test_every_field_is_described(tables: ModuleType) -> None:
    for name, table in tables.tables().items():
        for line in table.splitlines():
            assert "|  |\n" not in f"{line}\n" or name != "manifest", line


def test_the_schema_is_that_of_the_code(tables: ModuleType) -> None:
    stated = json.loads((DOCS / "manifest.schema.json").read_text())
    assert tables.schema() == stated, "run: python docs/format_tables.py"


def test_the_model_answers_what_the_format_names() -> None:
    pytest.importorskip("torch", reason="the model is PyTorch's")
    from cellport.models.deploy import answer_names

    named = [spec.name for spec in ANSWERS]
    own = [name for name in named if name not in ("label_score", "label_distance")]
    assert list(answer_names(True, True)) == own
    without = ("always", "reference", "structure")
    assert list(answer_names(False, False)) == [
        spec.name for spec in ANSWERS if spec.when in without
    ]


@pytest.mark.parametrize("kind", ["trained", "lung", "blood"])
def test_the_schema_holds_for_atlases(kind: str, tiny_atlas_path: Path) -> None:
    path = tiny_atlas_path
    if kind != "trained":
        path = DOCS.parent / "models" / "pretrained" / f"{kind}.cellport"
    validator = jsonschema_rs.validator_for(_schema())
    manifest = _manifest(path)
    validator.validate(manifest)
    for broken in (
        {**manifest, "fill": "guess"},
        {**manifest, "n_latent": "30"},
        {**manifest, "panel": {"symbols": ["A"]}},
        {name: value for name, value in manifest.items() if name != "head"},
    ):
        assert not validator.is_valid(broken)


def _schema() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((DOCS / "manifest.schema.json").read_text())
    return schema


def _manifest(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        manifest: dict[str, Any] = json.loads(archive.read("manifest.json"))
    return manifest
