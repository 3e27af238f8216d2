"""The command that adds types to a finished atlas."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from cellport.runtime.errors import InputError
from cellport.shared import as_json_option, atlas_file, show


@click.command()
@click.argument("atlas", type=click.Path())
@click.argument("new", nargs=-1, required=True, type=click.Path())
@click.option("-o", "--out", required=True, type=click.Path(), help="The atlas file to write.")
@click.option("--labels", metavar="COLUMN", help="obs column of NEW with cell types.")
@click.option("--batch", metavar="COLUMN",
              help="obs column of NEW with batches; each file is one by default.")  # fmt: skip
@click.option("--novel", multiple=True, metavar="GROUP=NAME",
              help="Name a group of cells unlike the atlas, by its place in the report of cellport "
                   "map: 1=NAME names the first; repeatable.")  # fmt: skip
@click.option("--layer", help="Where the raw counts are: X, raw, or a layer. Found by itself.")
@click.option("--genome", metavar="NAME",
              help="Of a 10x file or folder of several genomes, the one to take.")  # fmt: skip
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
@as_json_option
def extend(
    atlas: str,
    new: tuple[str, ...],
    out: str,
    novel: tuple[str, ...],
    as_json: bool,
    **settings: Any,
) -> None:
    """Add the types of the labelled cells in each NEW to ATLAS, on the encoder that it has.

    It takes seconds, and neither PyTorch nor the counts that ATLAS was trained on. Old labels keep
    their probabilities among themselves. A type that the encoder cannot tell is refused.
    """
    from cellport import screen
    from cellport.train.extend.api import extend as extend_atlas

    named = dict(_named(one) for one in novel)
    with screen.training("extending") as on_progress:
        made = extend_atlas(
            atlas_file(atlas), list(new), out, novel=named, on_progress=on_progress, **settings
        )
    show(made, as_json, _shown, _plain)


def _plain(made: Any) -> dict[str, Any]:
    found = asdict(made)
    # cellport info tells that
    del found["manifest"]
    return found


def _named(given: str) -> tuple[int, str]:
    """Read ``GROUP=NAME``."""
    group, _, name = given.partition("=")
    if not group.strip().isdecimal() or not name.strip():
        raise InputError(
            f"--novel {given!r} is no number of a group and a name; the first group is named by "
            "--novel 1=NAME."
        )
    return int(group), name


def _shown(made: Any) -> None:
    from cellport import screen

    for one in made.types:
        screen.tell(
            f"added {one.label!r} of {one.cells:,} cells: {one.recall:.0%} of them, each left out "
            f"in turn, were given it; told from {one.most_like!r} with an area under the ROC curve "
            f"of {one.auroc:.3f}"
        )
    for label, cells in made.updated.items():
        screen.tell(f"updated {label!r} by {cells:,} cells")
    screen.notes(made.notes)
    screen.tell(f"{made.path}, sha256: {made.sha256}")
