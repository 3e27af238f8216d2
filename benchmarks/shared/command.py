"""Command lines of the benchmarks, with the options that many of them share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.shared.results import CACHE, RESULTS, fill, read, write

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


def measure_and_show(
    command: argparse.ArgumentParser,
    measure: Callable[[argparse.Namespace], dict[str, Any]],
    told: Callable[[dict[str, Any]], str],
    page: Path,
    mark: str,
) -> None:
    """Do what a command line asks for: measure and keep it, print it and set it into its page.

    With ``--table`` nothing is measured, and with ``--out`` the page stays as it is.
    """
    # of the libraries of a development install, which no peer's environment has
    import torch

    options = command.parse_args()
    torch.set_num_threads(1)
    if not options.table:
        write(options.out, measure(options))
    text = told(read(options.out))
    print(text)
    if options.out == command.get_default("out"):
        fill(page, mark, text)
