"""The parts of pages that are made from the code when the site is built.

`tests/docs/test_reference.py` holds that nothing public is missing from them.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import click

import cellport
from cellport.cli import main
from cellport.runtime import columns as names
from cellport.runtime.atlas.file import open_atlas_file
from cellport.runtime.decisions import texts, words
from cellport.runtime.fetch.pull import find_atlas

ROOT = Path(__file__).resolve().parents[2]
# every public name, by subject; errors and the version have places of their own
PYTHON = {
    "Map": "load_atlas Atlas Mapping MapOptions Stream map_files MapSummary Summary map_dask "
    "map_anndata",
    "Choose an atlas": "rank_atlases AtlasFit panel_outlook PanelOutlook",
    "Understand a result": "explain Explanation write_report add_paga LineageGene",
    "Compare conditions": "compare Comparison",
    "Take a result elsewhere": "export Exported",
    "Make an atlas": "train_atlas AtlasConfig FitConfig extend Extended",
    "Convert a model": "convert_model ConvertOptions Converted convert_with_reference "
    "ReferenceOptions",
}


class Described(NamedTuple):
    """A column or matrix of a result, as the reference describes it."""

    name: str
    where: str  # ``obs`` or ``obsm``
    kind: str
    # the option that asks for it, or what the atlas must have; always there if empty
    when: str
    term: str = ""  # what `decisions.json` says of it; where that is nothing, `_OWN` does


_TREE = "`--probabilities`, label tree"
_NEAR = "`--neighbors`"
COLUMNS = (
    Described(names.LABEL, "obs", "category", "labels", "label"),
    Described(names.PROB, "obs", "float", "labels", "prob"),
    Described(names.DISTANCE, "obs", "float", "labels of prototypes", "distance"),
    Described(names.CALL, "obs", "category", "calibrated labels", "call"),
    Described(names.LABEL_SET, "obs", "text", "calibrated labels", "label_set"),
    Described(names.SEVERAL_LABELS, "obs", "text", "labels judged one by one", "several_labels"),
    Described(names.LEVEL, "obs", "category", _TREE, "level"),
    Described(names.LEVEL_PROB, "obs", "float", _TREE, "level_prob"),
    Described(names.TERM_ID, "obs", "category", "`--cell-ontology`", "term_id"),
    Described(names.TERM_NAME, "obs", "category", "`--cell-ontology`"),
    Described(names.MERGED, "obs", "text", "`--merge-labels`"),
    Described(names.MERGED_PROB, "obs", "float", "`--merge-labels`"),
    Described(names.JOINT, "obs", "category", "`--also`", "joint"),
    Described(names.JOINT_PROB, "obs", "float", "`--also`", "joint_prob"),
    Described(names.AGREEMENT, "obs", "float", "`--also`", "agreement"),
    Described(names.GROUP, "obs", "text", "`--groups auto`", "group"),
    Described(names.GROUP_LABEL, "obs", "category", "`--groups`", "group_label"),
    Described(names.GROUP_SHARE, "obs", "float", "`--groups`", "group_share"),
    Described(names.NOVELTY_P, "obs", "float", "reference cells", "novelty_p"),
    Described(names.NOVEL, "obs", "bool", "reference cells", "novel"),
    Described(names.NOVEL_GROUP, "obs", "text", "`--novel-groups`, reference cells"),
    Described(names.QUALITY, "obs", "category", "", "quality"),
    Described(names.CLUSTER, "obs", "category", "clusters", "cluster"),
    Described(names.EDGE, "obs", "category", "trajectory", "edge"),
    Described(names.EDGE_FRACTION, "obs", "float", "trajectory", "edge_fraction"),
    Described(names.PSEUDOTIME, "obs", "float", "trajectory", "pseudotime"),
    Described(names.PSEUDOTIME_SD, "obs", "float", "trajectory", "pseudotime_sd"),
    Described(names.NEIGHBORS, "obs", "text", _NEAR),
    Described(names.NEIGHBOR_LABELS, "obs", "text", _NEAR),
    Described(names.QUERY, "obs", "category", "several files", "query"),
    Described(names.LATENT, "obsm", "float", ""),
    Described(names.UMAP, "obsm", "float", "2-D map", "map"),
    Described(names.FATE, "obsm", "float", "trajectory", "fate"),
    Described(names.PROBABILITIES, "obsm", "float", "`--probabilities`", "probabilities"),
    Described(names.NEIGHBOR_DISTANCE, "obsm", "float", _NEAR),
    Described(names.CORRECTED, "obsm", "float", "`--corrected-expression`"),
)
# what the report has no word for
_OWN = {
    names.TERM_NAME: "The name of that term in the ontology.",
    names.MERGED: "The group of types that the cell is of, among types merged because the query's "
    "genes cannot tell them apart.",
    names.MERGED_PROB: "How likely that group is: the probabilities of its types, added up.",
    names.NOVEL_GROUP: "The number of the cell's group of cells unlike the atlas, 1 for the first "
    "that the report tells of; empty where it is in none.",
    names.NEIGHBORS: "The names of the nearest cells of the reference, the nearest first.",
    names.NEIGHBOR_LABELS: "The types of these cells.",
    names.LATENT: "The latent: where the cell lies among those of the reference, without what "
    "batches add; for clustering and neighbours.",
    names.NEIGHBOR_DISTANCE: "How far off these cells are in the latent.",
    names.CORRECTED: "What the decoder expects of the genes named, freed from batches.",
}


_PLACE = re.compile(r"<!-- made from the code: (\w+) -->")


def filled(page: str) -> str:
    """Return a page with its places filled."""
    return _PLACE.sub(lambda place: MADE[place[1]](), page)


def changelog() -> str:
    """Return the changelog as a page."""
    return (ROOT / "CHANGELOG.md").read_text().replace("](docs/", "](")


def columns(where: str) -> str:
    """Return the table of columns or matrices."""
    lines = ["| name | type | what | there with |", "| --- | --- | --- | --- |"]
    return "\n".join([*lines, *(_column_row(one) for one in COLUMNS if one.where == where)])


def meaning(one: Described) -> str:
    """Return the sentence about a column, with the usual thresholds."""
    return sentence(one.term) if one.term else _OWN[one.name]


def _column_row(one: Described) -> str:
    return f"| `{one.name}` | {one.kind} | {meaning(one)} | {one.when or 'always'} |"


@cache
def _thresholds() -> dict[str, str]:
    usual = open_atlas_file(find_atlas("lung")).manifest.thresholds
    return {
        "call_prob": f"{usual.call_prob:.0%}",
        "set_level": f"{usual.set_level:.0%}",
        "novelty_p": f"{usual.novelty_p:.0%}",
        "low_depth": f"{usual.low_depth:g}",
    }


def sentence(term: str) -> str:
    """Return the report's sentence about a word, with the thresholds of a shipped atlas."""
    return words(f"terms.{term}")["text"].format(**_thresholds())


def report_words() -> str:
    """Return the words that the report explains, with their columns."""
    named = {one.term: one.name for one in COLUMNS if one.term}
    found: dict[str, list[str]] = {}
    for term in texts("report.term_order"):
        column = f" (`{named[term]}`)" if term in named else ""
        found.setdefault(words(f"terms.{term}")["title"], []).append(sentence(term) + column)
    return "\n\n".join(f"### {word}\n\n" + "\n\n".join(said) for word, said in found.items())


def atlases() -> str:
    """Return what the atlases that come along know, and what they cannot do, from their files."""
    registry = json.loads((ROOT / "models" / "registry.json").read_text())
    rows, words = [], []
    for name, entry in registry.items():
        m = open_atlas_file(find_atlas(name)).manifest
        scores = m.held_out
        assert scores is not None
        assert scores.sets is not None
        rows.append(
            f"| `{name}` | {len(m.labels)} | {scores.accuracy:.3f} | {scores.macro_f1:.3f} | "
            f"{scores.ece:.3f} | {scores.sets.coverage:.2f} ({scores.sets.level:.2f}) | "
            f"{entry['size'] / 1e6:.1f} |"
        )
        said = f"**`{name}`** — {entry['description']}. *Types:* {', '.join(m.labels)}."
        words.append(f"{said} *Limits:* {m.provenance.limits}")
    head = (
        "| atlas | types | accuracy | macro-F1 | calibration error | label sets hold (meant) | MB |"
    )
    return "\n\n".join(["\n".join([head, f"|{' --- |' * 7}", *rows]), *words])


def commands() -> str:
    """Return every command with its options, from the command line itself."""
    return "\n\n".join(map(_command, sorted(main.commands)))


def _command(name: str) -> str:
    command = main.commands[name]
    with click.Context(command, info_name=f"cellport {name}") as context:
        usage = command.get_usage(context).removeprefix("Usage: ")
        options = [one for one in command.params if isinstance(one, click.Option)]
        rows = [_option(one, context) for one in options]
    said = inspect.cleandoc(command.help or "")
    table = "\n".join(["| option | what | if not given |", "| --- | --- | --- |", *rows])
    parts = [f"## cellport {name}", f"```text\n{usage}\n```", said]
    return "\n\n".join([*parts, table] if rows else parts)


def _option(one: click.Option, context: click.Context) -> str:
    value = "" if one.is_flag else f" {_plain(one.make_metavar(context))}"
    default = f"`{one.default}`" if one.show_default and one.default is not None else ""
    said = "required" if one.required else default
    return f"| `{', '.join(one.opts)}{value}` | {_plain(one.help or '')} | {said} |"


def python() -> str:
    """Return every public name, by subject."""
    parts = []
    for subject, listed in PYTHON.items():
        parts += [f"## {subject}", *(f"::: cellport.{name}" for name in listed.split())]
    return "\n\n".join(parts)


def errors() -> list[type[Exception]]:
    """Return the public errors, their base first."""
    found = [getattr(cellport, name) for name in cellport.__all__ if name.endswith("Error")]
    return sorted(found, key=lambda one: len(one.__mro__))


def error_families() -> str:
    """Return every family of errors."""
    parts = []
    for one in errors():
        family = "" if one is cellport.CellportError else f" A `{one.__mro__[1].__name__}`."
        parts.append(f"## {one.__name__}\n\n{inspect.getdoc(one)}{family}")
    return "\n\n".join(parts)


def openapi() -> dict[str, Any]:
    """Return what a server of the demonstration atlas says of its API."""
    from cellport.web.server.app import create_app
    from cellport.web.server.site import place_atlases

    return create_app(place_atlases([open_atlas_file(find_atlas("lung"))])).openapi()


def http() -> str:
    """Return every path of the server, from its own description."""
    return "\n\n".join(
        "\n\n".join(_operation(path, method, about))
        for path, methods in openapi()["paths"].items()
        for method, about in methods.items()
    )


def _operation(path: str, method: str, about: dict[str, Any]) -> Iterator[str]:
    yield f"## {method.upper()} `{path}`"
    yield about.get("description", about.get("summary", ""))
    if about.get("requestBody"):
        yield "Body: " + ", ".join(f"`{kind}`" for kind in about["requestBody"]["content"]) + "."
    if given := about.get("parameters"):
        rows = [
            f"| `{one['name']}` | {_schema(one['schema'])} | {_plain(one.get('description', ''))} |"
            for one in given
        ]
        yield "\n".join(["| parameter | type | what |", "| --- | --- | --- |", *rows])
    rows = [
        f"| {status} | {_plain(one['description'])} | {_code(one.get('content', {}))} |"
        for status, one in sorted(about["responses"].items())
    ]
    yield "\n".join(["| status | what | type |", "| --- | --- | --- |", *rows])


def _schema(schema: dict[str, Any]) -> str:
    kinds = [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
    said = " or ".join(
        ", ".join(f"`{value}`" for value in one["enum"]) if "enum" in one else one.get("type", "")
        for one in kinds
    )
    default = schema.get("default")
    return said if default is None else f"{said}; `{default}` if not given"


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|")


def _code(values: Any) -> str:
    return ", ".join(f"`{one}`" for one in values)


MADE: dict[str, Callable[[], str]] = {
    "obs": partial(columns, "obs"),
    "obsm": partial(columns, "obsm"),
    "words": report_words,
    "atlases": atlases,
    "commands": commands,
    "python": python,
    "errors": error_families,
    "http": http,
}
