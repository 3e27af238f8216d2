"""The colour that each call has, in reports and in what plots results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cellport.runtime.columns import CALL, LABEL, NOVEL, UNKNOWN, Schema
from cellport.runtime.decisions import say, text, texts, whole

OF_CALLS = texts("colours.categories")[: whole("colours.of_calls")]
OTHERS, UNKNOWN_COLOUR = text("colours.others"), text("colours.unknown")
LIKE, UNLIKE = text("colours.like"), text("colours.unlike")


def shown_calls(cells: Sequence[int], outcomes: Sequence[str]) -> list[int]:
    """Codes of calls as reports list them: those with most cells first, `unknown` last.

    Types stand there without cells too, broader groups do not.
    """
    codes = [code for code, what in enumerate(outcomes) if cells[code] or what != "broader"]
    return sorted(codes, key=lambda code: (outcomes[code] == UNKNOWN, -cells[code]))


def call_colours(cells: Mapping[str, int], labels: Sequence[str]) -> dict[str, str]:
    """Return the colour of each call, as ``#rrggbb``, of the number of its cells.

    The eight with most cells have one of their own, the others are grey.
    """
    names = list(cells)
    outcomes = [_outcome(name, labels) for name in names]
    shown = [names[code] for code in shown_calls(list(cells.values()), outcomes)]
    colours = dict.fromkeys(names, OTHERS)
    colours |= dict(zip([name for name in shown if name != UNKNOWN], OF_CALLS, strict=False))
    return colours | {UNKNOWN: UNKNOWN_COLOUR}


def column_colours(schema: Schema, by_call: Sequence[int]) -> dict[str, list[str]]:
    """Return ``uns["<column>_colors"]``, where scanpy looks: a colour a category.

    `by_call` are the cells of each category of the column of calls.
    """
    labels, calls = schema.categories(LABEL), schema.categories(schema.call)
    colours = call_colours(dict(zip(calls, map(int, by_call), strict=True)), labels)
    found = {
        say("columns.colours", column=name): [colours.get(one, OTHERS) for one in categories]
        for name in (LABEL, CALL)
        if (categories := schema.categories(name))
    }
    if any(column.name == NOVEL for column in schema.columns):
        found[say("columns.colours", column=NOVEL)] = [LIKE, UNLIKE]
    return found


def _outcome(name: str, labels: Sequence[str]) -> str:
    if name == UNKNOWN:
        return UNKNOWN
    return "sure" if name in labels else "broader"
