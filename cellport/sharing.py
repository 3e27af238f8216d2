"""Commands that share atlases: a site of files, a server, and tools for agents."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cellport.runtime.errors import InputError
from cellport.shared import as_json_option, atlas_file, show

if TYPE_CHECKING:
    from cellport.web.server.site import ExampleCells

_example = click.option(
    "--example", metavar="FILE",
    help="An h5ad of some cells that visitors can map with one click. Found for the "
    "demonstration's lung atlas.",
)  # fmt: skip


def _example_cells(atlases: Sequence[Path], given: str | None) -> list[ExampleCells | None]:
    """Cells to try each atlas with: those of a file, or of the demonstration where they fit."""
    from cellport.demo import demo_example
    from cellport.runtime.atlas.file import open_atlas_file
    from cellport.web.server.site import read_example

    if given is None:
        return [demo_example(open_atlas_file(atlas).manifest) for atlas in atlases]
    if len(atlases) > 1:
        raise InputError("Example cells are of one atlas; leave --example out for several.")
    return [read_example(given)]


@click.command()
@click.argument("atlases", metavar="ATLAS...", nargs=-1, required=True, type=click.Path())
@click.argument("site", type=click.Path())
@_example
@as_json_option
def publish(atlases: tuple[str, ...], site: str, example: str | None, as_json: bool) -> None:
    """Write ATLAS and the page that maps cells in the browser to the folder SITE.

    Any file server can serve the folder, under any path. Of several atlases the page offers a
    choice.
    """
    from cellport import screen
    from cellport.web.server.publish import publish as publish_site

    paths = [atlas_file(atlas) for atlas in atlases]
    published = publish_site(paths, site, example=_example_cells(paths, example))
    show(published, as_json, screen.published)


@click.command()
@click.argument("atlases", metavar="ATLAS...", nargs=-1, required=True, type=click.Path())
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8787, show_default=True, type=click.IntRange(0, 65535))
@click.option("--token", default="", envvar="CELLPORT_TOKEN", show_envvar=True,
              help="Secret that requests must bring; made up when --host is public.")  # fmt: skip
@click.option("--max-upload", default="2GB", show_default=True, help="Largest file to take.")
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(1, 256),
              help="Files to map at a time.")  # fmt: skip
@click.option("--queue", default=256, show_default=True, type=click.IntRange(0, 10_000),
              help="Further files that may wait.")  # fmt: skip
@click.option("--seconds", default=900.0, show_default=True, type=click.FloatRange(1),
              help="Longest time for one file.")  # fmt: skip
@click.option("--allow-host", "allow_hosts", multiple=True, metavar="NAME",
              help="Another name of this server, as behind a proxy; repeatable.")  # fmt: skip
@click.option("--no-page", is_flag=True, help="Serve the API alone.")
@_example
@as_json_option
def serve(
    atlases: tuple[str, ...],
    max_upload: str,
    jobs: int,
    queue: int,
    seconds: float,
    no_page: bool,
    example: str | None,
    as_json: bool,
    **settings: Any,
) -> None:
    """Serve the page and an HTTP API that maps files onto ATLAS, on this machine alone.

    The API is described at /api/openapi.json. Of several atlases the page offers a choice, and
    requests to the API name theirs (?atlas=NAME, of its file without the ending).
    """
    from cellport import screen
    from cellport.runtime.base.extras import require
    from cellport.web.server.limits import Limits, parse_size
    from cellport.web.server.serve import serve as run_server

    require("serve", "Serving")
    paths = [atlas_file(atlas) for atlas in atlases]
    limits = Limits(parse_size(max_upload), jobs, queue, seconds)
    screen.warm_up()
    run_server(
        paths,
        limits=limits,
        with_page=not no_page,
        example=() if no_page else _example_cells(paths, example),
        started=lambda at: show(at, as_json, screen.listening),
        **settings,
    )


@click.command()
@click.option("--folder", "folders", multiple=True, required=True, type=click.Path(),
              help="Folder whose files may be read; repeatable.")  # fmt: skip
@click.option("-o", "--out", type=click.Path(),
              help="Folder that results go to; without it nothing is written.")  # fmt: skip
@click.option("--fetch", is_flag=True,
              help="Let atlases be fetched by name; without it nothing is asked of the "
                   "network.")  # fmt: skip
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(1, 64),
              help="Calls to work on at a time, each in a process of its own.")  # fmt: skip
@click.option("--queue", default=16, show_default=True, type=click.IntRange(0, 1000),
              help="Further calls that may wait.")  # fmt: skip
@click.option("--max-result", default="2GB", show_default=True, help="Largest file to write.")
@click.option("--seconds", default=900.0, show_default=True, type=click.FloatRange(1),
              help="Longest time for one call.")  # fmt: skip
def mcp(
    folders: tuple[str, ...],
    out: str | None,
    fetch: bool,
    jobs: int,
    queue: int,
    max_result: str,
    seconds: float,
) -> None:
    """Let an agent map cells: tools of the Model Context Protocol, on standard input and output.

    The program that starts this is the agent's. Only local files in the folders named here are
    read, and results are written to --out alone, where nothing is ever replaced.
    """
    from cellport.runtime.base.extras import require

    require("mcp", "Answering agents")
    from cellport.web.mcp.server import run_server
    from cellport.web.server.limits import Limits, parse_size

    limits = Limits(parse_size(max_result), jobs, queue, seconds)
    run_server(folders, out, fetch=fetch, limits=limits)
