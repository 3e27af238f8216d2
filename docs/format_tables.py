"""Write the tables of format.md and the manifest's JSON schema from the code that reads them.

    python docs/format_tables.py

`tests/runtime/atlas/test_format_page.py` holds that they are up to date.
"""

from __future__ import annotations

import inspect
import json
import math
import re
import types
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from cellport.runtime.atlas.arrays import ANSWERS, ARRAYS, ArraySpec
from cellport.runtime.atlas.manifest import Manifest, Thresholds
from cellport.runtime.atlas.thresholds import MEANING

HERE = Path(__file__).parent
PAGE, SCHEMA = HERE / "format.md", HERE / "manifest.schema.json"
_WHEN = {
    "always": "",
    "prob": "where `head.kind` is `softmax` or `sigmoids`",
    "sigmoids": "where `head.kind` is `sigmoids`",
    "prototypes": "where `head.kind` is `prototypes`",
    "reference": "with `novelty_score`",
    "centre": "where `input.centre`",
    "cap": "where `input.cap`",
    "factors": "where `fill` is `factors`",
    "query_library": "where `input.library` is `query`",
    "structure": "with structure",
    "trajectory": "with a trajectory",
    "optional": "optional",
}
_TYPES = {"f4": "float32", "i4": "int32", "u1": "uint8"}


def tables() -> dict[str, str]:
    """Return each table of the page, by name."""
    return {
        "answers": _arrays(ANSWERS, "answer"),
        "arrays": _arrays(ARRAYS, "`arrays/NAME.npy`"),
        "manifest": "\n".join(
            ["| field | type | what |", "| --- | --- | --- |", *_fields(Manifest, "")]
        ),
    }


def page() -> str:
    """Return the page with its tables made anew."""
    text = PAGE.read_text()
    for name, table in tables().items():
        begin, end = (f"<!-- docs/format_tables.py: {name} {side} -->" for side in ("begin", "end"))
        inside = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
        text = inside.sub(lambda _, t=table, b=begin, e=end: f"{b}\n{t}\n{e}", text)
    return text


def schema() -> dict[str, Any]:
    """Return the JSON schema of the manifest."""
    whole = _schema(Manifest)
    member = {
        "type": "object",
        "properties": {
            "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
            "size": {"type": "integer", "minimum": 0},
        },
        "required": ["sha256", "size"],
    }
    whole["properties"] = {
        "format_version": {"const": 1},
        **whole["properties"],
        "members": {"type": "object", "additionalProperties": member},
    }
    whole["required"] = ["format_version", *whole["required"], "minimum_runtime", "members"]
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "manifest.json of a cellport atlas, format 1",
    }
    return head | whole


def _arrays(specs: Sequence[ArraySpec], head: str) -> str:
    lines = [f"| {head} | type | shape | what | |", "| --- | --- | --- | --- | --- |"]
    for spec in specs:
        shape = ", ".join(map(str, spec.shape))
        kind, when = _TYPES[spec.dtype], _WHEN[spec.when]
        what = spec.meaning + _allowed(spec)
        lines.append(f"| `{spec.name}` | {kind} | [{shape}] | {what} | {when} |")
    return "\n".join(lines)


def _allowed(spec: ArraySpec) -> str:
    if spec.below:
        return f"; {spec.least} to one less than {spec.below}"
    return "" if spec.above == -math.inf else f"; above {spec.above:g}"


def _fields(kind: Any, above: str) -> Iterator[str]:
    hints, said = get_type_hints(kind), _said(kind)
    for one in fields(kind):
        name = f"{above}{one.name}"
        yield f"| `{name}` | {_words(hints[one.name])} | {said.get(one.name, '')} |"
        inner = _dataclass_in(hints[one.name])
        if inner is not None:
            yield from _fields(inner, f"{name}.")


def _said(kind: Any) -> dict[str, str]:
    """Return what a dataclass says of each field, in comments above or beside it."""
    if kind is Thresholds:
        return MEANING
    found: dict[str, str] = {}
    comments: list[str] = []
    for line in inspect.getsource(kind).splitlines():
        code, _, comment = (part.strip() for part in line.partition(" # "))
        comments += [comment] if comment else []
        if code and comments:
            words = " ".join(comments).replace("``", "`").replace("|", "\\|")
            words = words.replace("None ", "null ")
            found[code.partition(":")[0]] = f"{words[0].upper()}{words[1:]}."
            comments = []
    return found


def _dataclass_in(kind: Any) -> Any:
    if is_dataclass(kind):
        return kind
    return next((one for inner in get_args(kind) if (one := _dataclass_in(inner))), None)


def _words(kind: Any) -> str:
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return f"{_words(inner[0])} or null"
    if origin is Literal:
        return ", ".join(f"`{one}`" for one in inner)
    if origin is tuple:
        return f"list of {_words(inner[0])}" if inner[-1] is ... else f"{len(inner)} numbers"
    if origin is dict:
        return f"object of {_words(inner[1])}"
    plain = {str: "text", float: "number", int: "integer", bool: "boolean", Any: "anything"}
    return "object" if is_dataclass(kind) else plain[kind]


def _schema(kind: Any) -> dict[str, Any]:
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return {"anyOf": [_schema(inner[0]), {"type": "null"}]}
    if origin is Literal:
        return {"enum": list(inner)}
    if origin is tuple and inner[-1] is ...:
        return {"type": "array", "items": _schema(inner[0])}
    if origin is tuple:
        n = len(inner)
        return {"type": "array", "items": _schema(inner[0]), "minItems": n, "maxItems": n}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(inner[1])}
    if is_dataclass(kind):
        return _object(kind)
    plain = {str: "string", bool: "boolean", float: "number", int: "integer"}
    if kind is Any:
        return {}
    return {"type": plain[kind]} | ({"minimum": 0} if kind in (float, int) else {})


def _object(kind: Any) -> dict[str, Any]:
    hints, said = get_type_hints(kind), _said(kind)
    properties = {
        one.name: _schema(hints[one.name])
        | ({"description": said[one.name]} if one.name in said else {})
        for one in fields(kind)
    }
    required = [
        one.name
        for one in fields(kind)
        if one.default is MISSING and one.default_factory is MISSING
    ]
    return {"type": "object", "properties": properties, "required": required}


if __name__ == "__main__":
    PAGE.write_text(page())
    SCHEMA.write_text(json.dumps(schema(), indent=1) + "\n")
