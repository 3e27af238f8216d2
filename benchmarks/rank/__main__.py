"""Whether the atlas that fits a query is ranked first, and what asking many costs.

    python -m benchmarks.rank --models /path/to/models

Ten atlases are trained on halves of the shared datasets and three CellTypist models converted,
beside the five that ship; queries are the other halves, as they are and with 1,000 counts a cell.
Those that ship were trained on cells of the same datasets, some of them the queries'; so what comes
first among atlases that know none of a query's cells is told apart.
Atlases are kept in ``benchmarks/cache/rank``; figures go to ``benchmarks/results/rank.json`` and
``docs/mapping.md``, and with ``--table`` nothing else is done than to show them.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.rank.cases import GENERAL, RankedQuery, atlases, queries
from benchmarks.shared.command import measure_and_show, parser
from benchmarks.shared.results import ROOT, facts, markdown, read
from benchmarks.shared.timing import in_turns, medians, timed
from cellport.runtime.rank import rank_atlases

MARK, PAGE = "benchmarks.rank", ROOT / "docs" / "mapping.md"
_TIMES = 7


def run(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Rank all atlases for each query, and yield a row a query."""
    asked = atlases(options.cache, options.models)
    names = {path: name for name, path in asked.items()}
    for query in queries():
        fits = rank_atlases(query.cells, list(names))
        row = row_of(query, [(names[fit.atlas], fit.score, bool(fit.refused)) for fit in fits])
        print(row, flush=True)
        yield row


def row_of(query: RankedQuery, ranked: list[tuple[str, float, bool]]) -> dict[str, Any]:
    """Tell what came first, and where the best of another organism came."""
    place = 1 + next(i for i, (name, _, _) in enumerate(ranked) if name in query.right)
    of_mouse = query.tissue.startswith("mouse")
    others = [
        i + 1
        for i, (name, _, refused) in enumerate(ranked)
        if name.startswith("mouse") != of_mouse and not refused
    ]
    first, second = ranked[:2]
    unseen = [name for name, _, _ in ranked if not query.may_know(name)]
    return {
        "query": query.name,
        "first": first[0],
        "score": round(first[1], 3),
        "second": second[0],
        "second_score": round(second[1], 3),
        "place_of_right": place,
        "first_unseen": unseen[0],
        "right_unseen": unseen[0] in query.right,
        "other_organism_from": min(others, default=None),
    }


def cost(options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Seconds that one atlas and ten take of a file, in one process and as a command; medians."""
    asked = atlases(options.cache, options.models)
    path = options.cache / "query.h5ad"
    query = next(query for query in queries() if query.name == "blood, all genes")
    query.cells.write_h5ad(path, compression="gzip")
    ten = [name for name in asked.values() if not name.endswith("pkl")][:10]
    some = {"one": ["blood"], "ten": ten}
    spent = in_turns({n: partial(rank_atlases, path, found) for n, found in some.items()}, _TIMES)
    rank = [sys.executable, "-m", "cellport", "rank", str(path)]
    turns = [{n: timed([*rank, *found]) for n, found in some.items()} for _ in range(_TIMES)]
    path.unlink()
    return {
        "wall": medians(spent, "wall"),
        "processor": medians(spent, "cpu"),
        "command": {n: statistics.median(turn[n].cpu for turn in turns[1:]) for n in some},
    }


def table(made: dict[str, Any]) -> str:
    """Set queries with what came first and second, and the sum of it."""
    rows = made["runs"]
    right = sum(row["place_of_right"] == 1 for row in rows)
    foreign = [row["other_organism_from"] for row in rows if row["other_organism_from"]]
    shown = [
        [
            row["query"],
            row["first"],
            f"{row['score']:.2f}",
            row["second"],
            f"{row['second_score']:.2f}",
        ]
        for row in rows
    ]
    general = sum(row["place_of_right"] == 1 and row["first"] == GENERAL for row in rows)
    unseen = sum(row["right_unseen"] for row in rows)
    said = (
        f"Of {len(rows)} queries of known tissue and {made['atlases']} atlases one that holds the "
        f"tissue came first {right} times: {right - general} times an atlas of the tissue alone, "
        f"{general} times `human`, which holds three tissues and is right for each. The five that "
        "come along know some of the queries' cells; among atlases that know none, one of the "
        f"tissue came first {unseen} times. Atlases of another organism were refused"
        + (f", or came at best in place {min(foreign)}" if foreign else "")
        + f". By the clock ten atlases took {_ratio(made, 'wall')}, of processor time "
        f"{_ratio(made, 'processor')}, and of a command's, its start included, "
        f"{_ratio(made, 'command')} ({made['date']}, {made['machine']})."
    )
    head = ("query", "first", "score", "second", "score")
    return f"{said}\n\n{markdown(head, shown, 'llrlr')}"


def _ratio(made: dict[str, Any], which: str) -> str:
    one, ten = (made["cost"][which][name] for name in ("one", "ten"))
    return f"{ten / one:.1f} times as much as one ({ten:.2f} and {one:.2f} s)"


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Rank atlases for all queries, and time it."""
    rows, seconds = read(options.out)["runs"] if options.cost else list(run(options)), cost(options)
    n_atlases = len(atlases(options.cache, options.models))
    return facts() | {"atlases": n_atlases, "cost": seconds, "runs": rows}


def main() -> None:
    """Run what is asked for and print the table."""
    command = parser("rank", __doc__, "table out cache")
    command.add_argument("--models", type=Path, default=ROOT.parent / "shared" / "models")
    command.add_argument("--cost", action="store_true", help="time alone, beside the results there")
    measure_and_show(command, measure, table, PAGE, MARK)


if __name__ == "__main__":
    main()
