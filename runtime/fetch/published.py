"""An atlas of a published model: fetched from its hub and converted once, then found offline."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cellport.runtime.atlas.file import AtlasFile, open_atlas_file
from cellport.runtime.base.cache import in_cache
from cellport.runtime.errors import AtlasError, InputError
from cellport.runtime.fetch.celltypist import find_celltypist
from cellport.runtime.fetch.download import UnreachableError, one_at_a_time
from cellport.runtime.fetch.hugging_face import explained, find_hugging_face
from cellport.runtime.fetch.kept import LARGEST, OnProgress
from cellport.runtime.fetch.model_name import ENDING, HUGGING_FACE, ModelName, kept_models
from cellport.runtime.fetch.remote import RemoteModel, fetch_file, file_sha256
from cellport.runtime.version import __version__

if TYPE_CHECKING:
    from cellport.runtime.convert.write import Conversion, ConvertOptions


@dataclass(frozen=True, slots=True)
class Published:
    """The atlas of a published model, which is here now."""

    file: AtlasFile
    fetched: bool  # and converted; it was not here before
    notes: tuple[str, ...] = ()  # what the conversion found, a sentence each


def get_published(
    name: ModelName,
    sha256: str | None,
    refresh: bool,
    largest: int,
    on_progress: OnProgress | None,
) -> Published:
    """Fetch and convert a model, or find the atlas that was made of it.

    Parameters
    ----------
    name
        The model.
    sha256
        What the SHA-256 of the model's own file must be.
    refresh
        Ask its hub again although the atlas is here.
    largest
        Most bytes to take for a file.
    on_progress
        Called with the bytes that came, and those that will come where the server said.

    Raises
    ------
    AtlasError
        No such model, it cannot be had, or it is none that can be converted.
    OutputError
        The cache cannot be written.
    MissingDependencyError
        What converting needs is not installed.
    """
    path = name.path
    if path.is_file() and not refresh:
        return _kept(name, sha256)
    with in_cache(path.parent), one_at_a_time(path):
        if path.is_file() and not refresh:  # another process was faster
            return _kept(name, sha256)
        found = _find(name)
        if path.is_file() and found.fixed and _is_of(path, found):
            return _kept(name, sha256)
        with _fetched(name, found, largest, on_progress) as model:
            _check_sha256(name, model, sha256)
            return _made(name, found, model)


def prepare_published(
    name: ModelName, options: ConvertOptions, on_progress: OnProgress | None = None
) -> Conversion:
    """Fetch a model to convert it otherwise than `get_published` does; nothing of it is kept.

    What the `options` say goes before what the hub says. Errors are those of `get_published` and
    `convert_model`.
    """
    with in_cache(name.path.parent), one_at_a_time(name.path):
        found = _find(name)
        with _fetched(name, found, LARGEST, on_progress) as model:
            if model.suffix == ENDING:
                raise AtlasError(
                    f"{name} is an atlas already: cellport pull {name} -o FILE{ENDING}."
                )
            return _prepared(name, found, model, options)


def _find(name: ModelName) -> RemoteModel:
    try:
        return find_hugging_face(name) if name.hub == HUGGING_FACE else find_celltypist(name)
    except UnreachableError as error:
        here = ", ".join(map(str, kept_models()))
        if not here:
            raise
        raise UnreachableError(f"{error} Usable without a network: {here}.") from None


def _kept(name: ModelName, sha256: str | None) -> Published:
    file = open_atlas_file(name.path)
    source = file.manifest.provenance.source
    if sha256 and sha256.lower() != file.sha256 and f"SHA-256 {sha256.lower()}" not in source:
        raise AtlasError(
            f"{name}: the atlas here was made of a file with another SHA-256 ({source}). Refused."
        )
    return Published(file, fetched=False)


def _is_of(path: Path, found: RemoteModel) -> bool:
    try:
        file = open_atlas_file(path)
    except AtlasError:  # damaged since, which is worth another fetch
        return False
    made = file.manifest.provenance
    same = made.source.startswith(f"{found.source}, SHA-256")
    current = made.made_by == f"cellport {__version__}"
    return (same and current) or file.sha256 == found.files[0].digest


@contextmanager
def _fetched(
    name: ModelName, found: RemoteModel, largest: int, on_progress: OnProgress | None
) -> Iterator[Path]:
    """Fetch the files of a model; the block has the model, and they are gone after it.

    They stay where the fetch is interrupted, or the block by something else than their fault.
    """
    folder = name.path.with_suffix(".parts")
    folder.mkdir(exist_ok=True)
    with explained(name) if name.hub == HUGGING_FACE else nullcontext():
        files = [fetch_file(one, folder, largest, on_progress) for one in found.files]
    try:
        yield files[0]
    except (AtlasError, InputError):
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)


def _check_sha256(name: ModelName, model: Path, sha256: str | None) -> None:
    if sha256 is not None and (found := file_sha256(model)) != sha256.lower():
        raise AtlasError(
            f"{name}: its file has SHA-256 {found}, not {sha256.lower()} as it should. Refused."
        )


def _made(name: ModelName, found: RemoteModel, model: Path) -> Published:
    if model.suffix == ENDING:  # an atlas already, as its makers put it on the hub
        open_atlas_file(model)
        os.replace(model, name.path)
        return Published(open_atlas_file(name.path), fetched=True)
    from cellport.runtime.convert.write import write_conversion

    made = write_conversion(_prepared(name, found, model), name.path)
    return Published(open_atlas_file(made.path), fetched=True, notes=made.notes)


def _prepared(
    name: ModelName, found: RemoteModel, model: Path, options: ConvertOptions | None = None
) -> Conversion:
    # mapping onto an atlas that is here needs none of this
    from cellport.runtime.convert.write import ConvertOptions, prepare_conversion

    how = ConvertOptions(
        name=found.name,
        source=f"{found.source}, SHA-256 {file_sha256(model)}",
        authors=found.authors,
        licence=found.licence,
        attribution=found.attribution,
    )
    said = {} if options is None else _stated(options)
    try:
        return prepare_conversion(model, replace(how, **said))
    except InputError as error:
        told = str(error).replace(str(model), str(name)).replace(str(model.parent), str(name))
        raise AtlasError(told) from None


def _stated(options: ConvertOptions) -> dict[str, Any]:
    all_of = {one.name: getattr(options, one.name) for one in fields(options)}
    return {key: value for key, value in all_of.items() if value}
