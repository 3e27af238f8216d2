"""What a worker process of the server does: map one file in one folder, and know no other path.

It works inside the folder of the job, so that every message and result names the upload by its
bare name. What a hostile file makes it use is bounded by the operating system.
"""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal

from scipy.sparse import csr_matrix

from cellport.runtime.errors import (
    AtlasError,
    CellportError,
    InputError,
    MissingDependencyError,
    OutputError,
)
from cellport.runtime.explain import Explanation, explain
from cellport.runtime.map_files import MapSummary, map_files
from cellport.runtime.mapping.atlas import Atlas, load_atlas
from cellport.runtime.mapping.options import MapOptions
from cellport.runtime.rank import AtlasFit, rank_atlases
from cellport.web.server.bounded import is_too_large, limit_resources
from cellport.web.server.links import refuse_links

UPLOAD = "upload.h5"
Format = Literal["csv", "h5ad", "json", "pseudobulk"]
_state: dict[str, Any] = {}
Found = MapSummary | Explanation | tuple[AtlasFit, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended."""

    found: Found | None  # None when it was refused
    refusal: str = ""  # why, in a sentence
    users_fault: bool = True  # whether the file was the reason


def start(atlases: dict[str, str], threads: int, largest_result: int) -> None:
    """Open the atlases, once for the life of the process, and map a little with each.

    So the first file does not wait for compiled code and graphs to be loaded.

    Raises
    ------
    AtlasError
        An atlas cannot be used here.
    """
    # Ctrl-C in a terminal reaches all; the server decides when its workers end
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _state["atlases"] = {name: load_atlas(path) for name, path in atlases.items()}
    _state["threads"] = threads
    _state["largest_result"] = largest_result
    for atlas in _state["atlases"].values():
        atlas.introduce(_state["atlases"])
        canary = csr_matrix(atlas.file.array("canary_counts"))
        with suppress(InputError):
            atlas.map((canary, atlas.panel.names), device="cpu", threads=threads)


def ready() -> bool:
    """Answer, which shows that the process has started."""
    return all(isinstance(atlas, Atlas) for atlas in _state["atlases"].values())


def map_upload(folder: str, atlas: str, form: Format, how: MapOptions) -> Outcome:
    """Map the upload in the folder of a job to ``result.<form>`` beside it.

    For ``json`` the summary is all that counts, for ``pseudobulk`` the summed counts. Device and
    threads of `how` are left to the server, whose atlases its `also` names.
    """
    out = f"result.{form}" if form in ("csv", "h5ad") else "result.csv"
    return _outcome(folder, how, lambda own: map_files(_state["atlases"][atlas], UPLOAD, out, own))


def explain_upload(
    folder: str, atlas: str, asked: dict[str, Any], form: Format, how: MapOptions
) -> Outcome:
    """Tell why the cells of the upload have their labels; of ``csv`` write the table as well."""

    def work(own: MapOptions) -> Explanation:
        try:
            found = explain(_state["atlases"][atlas], UPLOAD, options=own, **asked)
        except AtlasError as error:
            # this atlas does not tell: another one may
            raise InputError(str(error)) from None
        if form == "csv":
            found.write("result.csv")
        return found

    return _outcome(folder, how, work)


def rank_upload(folder: str, atlases: Sequence[str], how: MapOptions) -> Outcome:
    """Rank atlases of the server by how well the upload fits them; they go by their names here."""

    def work(own: MapOptions) -> tuple[AtlasFit, ...]:
        asked = {name: _state["atlases"][name] for name in atlases}
        names = {str(atlas.file.path): name for name, atlas in asked.items()}
        found = rank_atlases(UPLOAD, list(asked.values()), own)
        return tuple(replace(fit, atlas=names[fit.atlas]) for fit in found)

    return _outcome(folder, how, work)


def _outcome(folder: str, how: MapOptions, work: Callable[[MapOptions], Found]) -> Outcome:
    """Work inside the folder of a job; whatever goes wrong is a sentence."""
    os.chdir(folder)
    try:
        limit_resources(_state["largest_result"])
        refuse_links(UPLOAD)
        found = work(replace(how, device="cpu", threads=_state["threads"]))
    except OutputError as error:
        if not is_too_large(error):
            return Outcome(None, _without_path(str(error), folder), users_fault=False)
        most = f"{_state['largest_result']:,}"
        return Outcome(
            None,
            f"{UPLOAD} gives more than the {most} bytes of results that the server makes of one "
            "file; use cellport map.",
        )
    except CellportError as error:
        fault = isinstance(error, InputError | MissingDependencyError)
        return Outcome(None, _without_path(str(error), folder), fault)
    except MemoryError:
        return Outcome(None, f"{UPLOAD} needs more memory than the server gives to one file.")
    except Exception as error:  # noqa: BLE001 - the process serves the next job too
        traceback.print_exc()
        said = f"Unexpected error ({type(error).__name__}); this is a fault in cellport."
        return Outcome(None, said, users_fault=False)
    finally:
        os.chdir("/")
    return Outcome(found)


def _without_path(text: str, folder: str) -> str:
    return " ".join(text.replace(f"{folder}{os.sep}", "").replace(folder, "").splitlines())
