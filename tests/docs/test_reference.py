"""The reference names everything that is public, and what it names explains itself."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest
import reference

import cellport
from cellport.cli import main
from cellport.runtime import columns

ERRORS = [name for name in cellport.__all__ if name.endswith("Error")]
FUNCTIONS = [name for name in cellport.__all__ if inspect.isfunction(getattr(cellport, name))]
CLASSES = [name for name in cellport.__all__ if is_dataclass(getattr(cellport, name))]


def sections(text: str) -> dict[str, str]:
    """Return the sections of a docstring in numpy's style."""
    parts = re.split(r"^(\w+)\n-+$", inspect.cleandoc(text), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def named(section: str) -> set[str]:
    """Return what a section of parameters or attributes explains."""
    lines = re.findall(r"^(\*{0,2}\w+(?:, \w+)*)(?: :.*)?$", section, re.M)
    return {name.strip("* ") for line in lines for name in line.split(",")}


def written_columns() -> Iterator[str]:
    """Names of all columns and matrices that any annotator can add."""
    for name, value in vars(columns).items():
        if name.isupper() and isinstance(value, str) and re.match("(X_)?cellport_?", value):
            yield value


def test_every_public_name_is_in_the_reference() -> None:
    listed = [name for names in reference.PYTHON.values() for name in names.split()]
    assert sorted([*listed, *ERRORS, "__version__"]) == sorted(cellport.__all__)
    made = reference.python()
    assert all(f"::: cellport.{name}\n" in f"{made}\n" for name in listed)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_explains_what_goes_in_and_what_comes_out(name: str) -> None:
    function = getattr(cellport, name)
    found, signature = sections(function.__doc__), inspect.signature(function)
    assert set(signature.parameters) <= named(found["Parameters"])
    assert ("Returns" in found) == (signature.return_annotation not in (None, "None"))
    assert "Raises" in found
    assert name in found["Examples"]


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_explains_its_fields(name: str) -> None:
    kind: Any = getattr(cellport, name)
    # the fields of a base are explained there
    own = {one.name for one in fields(kind) if one.name in vars(kind)["__annotations__"]}
    public = {one for one in own if not one.startswith("_")}
    if name != "Atlas":  # which is not made by hand, but opened
        assert public <= named(sections(kind.__doc__)["Attributes"])
    for method, value in vars(kind).items():
        if not method.startswith("_") and (callable(value) or isinstance(value, property)):
            assert inspect.getdoc(value), method


@pytest.mark.parametrize("name", ERRORS)
def test_every_error_is_in_the_reference(name: str) -> None:
    assert f"## {name}\n\n{inspect.getdoc(getattr(cellport, name))}" in reference.error_families()


@pytest.mark.parametrize("name", sorted(main.commands))
def test_every_command_and_option_is_in_the_reference(name: str) -> None:
    command = main.commands[name]
    _, _, text = reference.commands().partition(f"## cellport {name}\n")
    text = text.partition("\n## ")[0]
    assert inspect.cleandoc(command.help or "") in text
    assert command.help
    rows = [
        re.findall(r"(?<![\w|[-])--?[a-z]\S*", row)
        for row in re.findall(r"^\| `([^`]+)`", text, re.M)
    ]
    rows = [[name.strip(",") for name in row] for row in rows]
    assert rows == [one.opts for one in command.params if one.param_type_name == "option"]


def test_every_column_is_in_the_reference_with_a_sentence() -> None:
    listed = [one.name for one in reference.COLUMNS]
    assert len(set(listed)) == len(listed)
    missing = set(written_columns()) - set(listed) - {columns.PROBABILITY_OF}
    assert not missing
    for one in reference.COLUMNS:
        assert reference.meaning(one).endswith("."), one.name
        assert "{" not in reference.meaning(one), one.name


def test_columns_have_the_types_that_a_mapping_gives_them(
    tiny_atlas_path: Path, tiny_cells: Any
) -> None:
    asked = {"neighbors": 2, "probabilities": True, "groups": "auto", "merge_labels": True,
             "novel_groups": True}  # fmt: skip
    stream = cellport.load_atlas(tiny_atlas_path).stream(tiny_cells.adata(), **asked)
    assert sum(block.n_cells for block in stream.blocks) == stream.n_cells
    described = {(one.where, one.name): one.kind for one in reference.COLUMNS}
    assert len(stream.schema.columns) > 10
    for column in stream.schema.columns:
        name = re.sub(r"(level_)\d+", r"\1{level}", column.name)
        assert described["obs", name] == column.kind, name
    for matrix in stream.schema.obsm:
        assert described["obsm", matrix] == "float"


def test_every_path_of_the_server_is_in_the_reference() -> None:
    made = reference.http()
    described = reference.openapi()
    assert "/api/map" in described["paths"]
    for path, methods in described["paths"].items():
        for method, about in methods.items():
            _, found, text = made.partition(f"## {method.upper()} `{path}`\n")
            assert found
            for parameter in about.get("parameters", ()):
                assert f"| `{parameter['name']}` |" in text


def test_every_place_of_every_page_is_filled() -> None:
    docs = Path(reference.__file__).parents[1]
    used = []
    for page in docs.rglob("*.md"):
        used += re.findall(r"<!-- made from the code: (\w+) -->", page.read_text())
    assert sorted(used) == sorted(reference.MADE)
    assert reference.filled("a\n\n<!-- made from the code: errors -->\n").count("## ") == len(
        ERRORS
    )


def test_every_word_of_the_report_is_among_the_words() -> None:
    from cellport.runtime.decisions import texts, words

    made = reference.report_words()
    for term in texts("report.term_order"):
        assert f"### {words(f'terms.{term}')['title']}\n" in made
        assert reference.sentence(term) in made
