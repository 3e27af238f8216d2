"""Command lines of the benchmarks, with the options that many of them share."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from benchmarks.shared.results import CACHE, RESULTS

_SHARED: dict[str, dict[str, Any]] = {
    "table": {"action": "store_true", "help": "run nothing; tables and pictures of the results"},
    "again": {"action": "store_true", "help": "measure anew what is named here"},
    "peers-python": {"help": "interpreter with the peers; without it cellport alone"},
    "cache": {"type": Path, "help": "folder for what is kept between runs"},
    "out": {"type": Path, "help": "where the results go"},
    "note": {"default": "", "help": "about the machine, for the results"},
}


def parser(name: str, doc: str | None, options: str = "") -> argparse.ArgumentParser:
    """Command line of ``python -m benchmarks.NAME``, described by the first line of its text.

    Results go to ``benchmarks/results/LAST.json`` and the cache is ``benchmarks/cache/LAST``, where
    LAST is the last part of the name; `options` names the shared ones that this command has.
    """
    made = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}", description=(doc or "").splitlines()[0]
    )
    for option in options.split():
        made.add_argument(f"--{option}", **_SHARED[option])
    last = name.rpartition(".")[2]
    made.set_defaults(out=RESULTS / f"{last}.json", cache=CACHE / last)
    return made
