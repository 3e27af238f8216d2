"""The entry for scverse's list has the fields that its schema states, and says what is so here."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from cellport.runtime.version import __version__

ROOT = Path(__file__).resolve().parent.parent
ENTRY: dict[str, Any] = yaml.safe_load((ROOT / "scverse" / "meta.yaml").read_text())
TEXT = {"type": "string", "minLength": 1}
LINK = {"type": "string", "format": "uri", "pattern": "^https://"}
TEXTS = {"type": "array", "items": TEXT, "minItems": 1, "uniqueItems": True}
# what scripts/src/ecosystem_scripts/schema.json of scverse/ecosystem-packages states, as read on
# 2026-11-30; here other fields than those of its entries are a mistake
SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "name": TEXT,
        "description": TEXT,
        "project_home": LINK,
        "documentation_home": LINK,
        "tutorials_home": LINK,
        "install": {
            "type": "object",
            "properties": {"pypi": TEXT, "conda": {"type": "string", "pattern": "(.*)::(.*)"}},
            "minProperties": 1,
            "additionalProperties": False,
        },
        "license": {"enum": ["BSD-3-Clause"]},
        "tags": TEXTS,
        "version": {"type": "string", "pattern": r"^v\d+\.\d+\.\d+$"},
        "contact": TEXTS,
        "test_command": TEXT,
        "category": {
            "enum": ["core-framework", "core-datastructure", "core-infrastructure", "ecosystem"]
        },
        "primary_category": TEXT,
        "language": TEXT,
    },
    "required": [
        "name", "description", "project_home", "documentation_home", "install", "license", "tags",
        "version", "category", "contact",
    ],
    "additionalProperties": False,
}  # fmt: skip


def test_the_entry_is_valid() -> None:
    jsonschema_rs.validate(SCHEMA, ENTRY, validate_formats=True)
    for name in SCHEMA["required"]:
        with pytest.raises(jsonschema_rs.ValidationError):
            jsonschema_rs.validate(SCHEMA, {k: v for k, v in ENTRY.items() if k != name})


def test_it_says_what_is_so_here() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert ENTRY["version"] == f"v{__version__}"
    assert ENTRY["license"] == project["license"]
    assert ENTRY["install"] == {"pypi": project["name"]}
    assert ENTRY["project_home"] == project["urls"]["Source"]
    assert ENTRY["documentation_home"] == project["urls"]["Documentation"]
    home, page = ENTRY["documentation_home"], ENTRY["tutorials_home"]
    assert (ROOT / "docs" / page.removeprefix(home)).with_suffix(".md").is_file()
    assert ENTRY["test_command"].partition(" && ")[0] in (ROOT / "README.md").read_text()
    assert len(ENTRY["description"].split(". ")) <= 2
