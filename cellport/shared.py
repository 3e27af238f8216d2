"""What commands of the command line share: options, atlases by name, and how results are shown."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from cellport.runtime.atlas.file import AtlasFile

as_json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print a JSON summary on stdout."
)


def atlas_file(atlas: str) -> Path:
    """File of an atlas; where it has to be fetched, that is shown."""
    return Path(atlas) if os.path.exists(atlas) else _sought(atlas).path


def opened_atlas(atlas: str) -> AtlasFile:
    """Open and check an atlas, once; where it has to be fetched, that is shown."""
    from cellport.runtime.atlas.file import open_atlas_file

    return open_atlas_file(atlas) if os.path.exists(atlas) else _sought(atlas)


def _sought(atlas: str) -> AtlasFile:
    from cellport import screen
    from cellport.runtime.fetch.pull import find_file

    with screen.fetching() as on_progress:
        return find_file(atlas, on_progress)


def show(
    result: Any,
    as_json: bool,
    on_screen: Callable[[Any], None],
    plain: Callable[[Any], Any] = asdict,
) -> None:
    """Print a result for people or, made `plain`, as JSON for programs."""
    if as_json:
        from cellport.runtime.base.typed_json import finite

        click.echo(json.dumps(finite(plain(result)), indent=1, default=str, allow_nan=False))
    else:
        on_screen(result)
