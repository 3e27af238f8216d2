"""An atlas of a published model: fetched from its hub and converted once, then found offline."""

from __future__ import annotations

import shutil
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from cellport.runtime.atlas.file import AtlasFile, open_atlas_file
from cellport.runtime.base.cache import in_cache
from cellport.runtime.errors import AtlasError, InputError
from cellport.runtime.fetch.celltypist import find_celltypist
from cellport.runtime.fetch.download import OnProgress, UnreachableError, one_at_a_time
from cellport.runtime.fetch.hugging_face import explained, find_hugging_face
from cellport.runtime.fetch.model_name import HUGGING_FACE, ModelName, kept_models
from cellport.runtime.fetch.remote import RemoteModel, fetch_file, file_sha256
from cellport.runtime.version import __version__


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
    folder = path.with_suffix(".parts")
    with in_cache(folder), one_at_a_time(path):
        if path.is_file() and not refresh:  # another process was faster
            return _kept(name, sha256)
        found = _find(name)
        if path.is_file() and found.fixed and _is_of(open_atlas_file(path), found):
            return _kept(name, sha256)
        with explained(name) if name.hub == HUGGING_FACE else nullcontext():
            files = [fetch_file(one, folder, largest, on_progress) for one in found.files]
        made = _convert(name, found, files[0], sha256)
        shutil.rmtree(folder, ignore_errors=True)
    return made


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
    if sha256 is not None and f"SHA-256 {sha256.lower()}" not in file.manifest.provenance.source:
        raise AtlasError(
            f"{name}: the atlas here was made of a file with another SHA-256 "
            f"({file.manifest.provenance.source}). Refused."
        )
    return Published(file, fetched=False)


def _is_of(file: AtlasFile, found: RemoteModel) -> bool:
    made = file.manifest.provenance
    same = made.source.startswith(f"{found.source}, SHA-256")
    return same and made.made_by == f"cellport {__version__}"


def _convert(name: ModelName, found: RemoteModel, model: Path, sha256: str | None) -> Published:
    # mapping onto an atlas that is here needs none of this
    from cellport.runtime.convert.write import ConvertOptions, convert_model

    is_sha256 = file_sha256(model)
    if sha256 is not None and is_sha256 != sha256.lower():
        shutil.rmtree(model.parent, ignore_errors=True)
        raise AtlasError(
            f"{name}: its file has SHA-256 {is_sha256}, not {sha256.lower()} as it should. Refused."
        )
    options = ConvertOptions(
        name=found.name,
        source=f"{found.source}, SHA-256 {is_sha256}",
        authors=found.authors,
        licence=found.licence,
        attribution=found.attribution,
    )
    try:
        made = convert_model(model, name.path, options)
    except InputError as error:
        shutil.rmtree(model.parent, ignore_errors=True)
        said = str(error).replace(str(model), str(name)).replace(str(model.parent), str(name))
        raise AtlasError(said) from None
    return Published(open_atlas_file(made.path), fetched=True, notes=made.notes)
