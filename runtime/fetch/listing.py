"""All atlases that have a name: shipped, kept, and those of CellTypist's index."""

from __future__ import annotations

from collections.abc import Iterator

from cellport.runtime.atlas.file import open_atlas_file
from cellport.runtime.errors import AtlasError
from cellport.runtime.fetch.celltypist import kept_index
from cellport.runtime.fetch.model_name import CELLTYPIST, ModelName, kept_models
from cellport.runtime.fetch.pull import cached
from cellport.runtime.fetch.registry import Entry, known_atlases


def list_atlases() -> list[tuple[Entry, bool]]:
    """Return what has a name, and whether it can be used without a network; asks nobody.

    Models of CellTypist are known by the index that was last fetched; of the Hugging Face hub
    those are listed that are here.
    """
    known = [(entry, cached(entry)) for entry in known_atlases().values()]
    here = [(_kept(name), True) for name in kept_models()]
    names = {entry.name for entry, _ in here}
    return [*known, *here, *((entry, False) for entry in _indexed() if entry.name not in names)]


def _kept(name: ModelName) -> Entry:
    sha256, size, told = "", name.path.stat().st_size, "damaged: cellport pull --refresh"
    try:
        file = open_atlas_file(name.path)
    except AtlasError:
        return Entry(str(name), None, None, sha256, size, told)
    told = file.manifest.provenance.converted_from
    if file.manifest.labels:
        told += f"; {len(file.manifest.labels)} labels"
    return Entry(str(name), None, None, file.sha256, size, told)


def _indexed() -> Iterator[Entry]:
    for model in kept_index().values():
        told = "; ".join(
            filter(None, (model.details, model.n_labels and f"{model.n_labels} labels"))
        )
        yield Entry(f"{CELLTYPIST}:{model.name}", None, model.url, "", 0, told)
