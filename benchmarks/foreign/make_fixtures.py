"""Train small models with the packages themselves, and keep what they answer.

    python -m benchmarks.foreign.make_fixtures             all that the environment can make
    python -m benchmarks.foreign.make_fixtures scanvi      those whose names begin so

Run from the top of a checkout in an environment with the packages (click, and one of: scvi-tools
and celltypist; an old scvi-tools; scArches); it imports nothing of cellport. Cells are generated
(``cells.py``); seeds are fixed, so that a second run on the same machine gives the same weights.
"""

from __future__ import annotations

import importlib
import warnings
from pathlib import Path

import click

from benchmarks.foreign import cells

ROOT = Path(__file__).resolve().parents[2]
MAKERS = (
    "celltypist_models",
    "scvi_models",
    "refused_models",
    "old_scvi_models",
    "other_models",
    "old_scpoli_models",
    "refused_scarches",
    "refused_popv",
)


@click.command(help=(__doc__ or "").splitlines()[0])
@click.argument("begins", nargs=-1)
@click.option("--out", type=click.Path(path_type=Path), default=ROOT / "tests/data/foreign")
def main(begins: tuple[str, ...], out: Path) -> None:
    """Make the fixtures whose names begin so, or all."""
    warnings.simplefilter("ignore")
    out.mkdir(parents=True, exist_ok=True)
    every = cells.every()
    cells.write(out / "cells.npz", every)
    for maker in MAKERS:
        try:
            module = importlib.import_module(f"benchmarks.foreign.{maker}")
        except ImportError as error:
            print(f"{maker}: not in this environment ({error})")
            continue
        for name in module.PLANS:
            if not begins or name.startswith(begins):
                module.make(name, out / name, every)


if __name__ == "__main__":
    main()
