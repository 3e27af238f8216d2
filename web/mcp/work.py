"""What is done for an agent, by the name of the tool: cellport's own functions, nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import h5py

from cellport.runtime.atlas.file import AtlasFile, open_atlas_file
from cellport.runtime.columns import UNKNOWN
from cellport.runtime.errors import CellportError
from cellport.runtime.explain import explain
from cellport.runtime.fetch.listing import list_atlases
from cellport.runtime.map_files import MapSummary, map_files
from cellport.runtime.mapping.atlas import Atlas, load_atlas
from cellport.runtime.mapping.options import MapOptions
from cellport.runtime.mapping.pipeline import Stream
from cellport.runtime.rank import rank_atlases
from cellport.runtime.sources import CountSource, open_source
from cellport.runtime.sources.zarr_store import is_zarr
from cellport.runtime.writers.output import FORMATS
from cellport.web.mcp.folders import REPORT, Folders

Answer = dict[str, Any]
_EXAMPLES = 5  # names of genes and cells to show


@dataclass(slots=True)
class Asked:
    """What an agent asked for, in the folders it may use."""

    folders: Folders
    threads: int
    tell: Callable[[int, int], None]  # what is done, and in all; 0 where that is not known
    written: list[str] = field(default_factory=list)  # results, in the working folder

    def options(self, **given: Any) -> MapOptions:
        """Return options of a mapping; what was not given is as ever."""
        some = {name: value for name, value in given.items() if value is not None}
        return MapOptions(device="cpu", threads=self.threads, **some)

    def atlas(self, given: str) -> Atlas:
        """Open an atlas."""
        return load_atlas(self.folders.atlas(given))

    def result(self, name: str, endings: Sequence[str]) -> str:
        """Return where a result is written, until it goes to the folder for results."""
        self.folders.result(name, endings)
        self.written.append(name)
        return name

    def steps(self) -> dict[str, Any]:
        """Return what a mapping calls while it goes on."""
        total = 0

        def on_start(streams: list[Stream]) -> None:
            nonlocal total
            total = sum(stream.n_cells for stream in streams)
            self.tell(0, total)

        return {"on_start": on_start, "on_progress": lambda done: self.tell(done, total)}


def list_known(asked: Asked) -> Answer:
    """List the atlases that can be mapped onto now: known by name, and in the folders."""
    known = [asdict(entry) for entry, here in list_atlases() if here]
    named = [{"atlas": one["name"], "about": one["description"]} for one in known]
    return {"atlases": [*named, *map(_listed, asked.folders.atlases())]}


def describe_atlas(asked: Asked, atlas: str) -> Answer:
    """Say what an atlas says of itself."""
    return _described(asked.atlas(atlas).file)


def check_file(asked: Asked, file: str, atlas: str | None, layer: str | None) -> Answer:
    """Say what a file holds: counts, cells, genes, and of an atlas those that it has."""
    path = asked.folders.file(file)
    if path.name.endswith(".cellport"):
        return _described(open_atlas_file(path))
    form = _format(path)
    if atlas is None:
        source = open_source(path, layer=layer, threads=asked.threads)
        return {"format": form, **_counts(source), "notes": source.notes}
    opened = asked.atlas(atlas)
    query = opened.open_query(path, asked.options(layer=layer))
    facts = query.facts()
    matched = {"atlas": opened.manifest.name, "atlas_genes": facts.genes}
    return {"format": form, **_counts(query.source), **matched, "notes": facts.notes}


def rank(asked: Asked, file: str, atlases: Sequence[str]) -> Answer:
    """Rank atlases by how well the cells of a file fit them."""
    path = asked.folders.file(file)
    here = [entry.name for entry, here in list_atlases() if here]
    named = [asked.folders.atlas(one) for one in atlases]
    names = named or [*here, *map(str, asked.folders.atlases())]
    done = count()
    found = rank_atlases(path, names, asked.options(), lambda _: asked.tell(next(done), 0))
    return {"atlases": [{**asdict(fit), "sentence": fit.sentence} for fit in found]}


def map_cells(
    asked: Asked,
    atlas: str,
    files: Sequence[str],
    out: str | None,
    report: str | None,
    **options: Any,
) -> Answer:
    """Map cells, and say in short what they came to."""
    paths = [asked.folders.file(file) for file in files]
    opened = asked.atlas(atlas)
    place = "cells.csv" if out is None else asked.result(out, FORMATS)
    page = None if report is None else asked.result(report, (REPORT,))
    how = asked.options(**options)
    summary = map_files(opened, paths, place, how, report=page, **asked.steps())
    return _summed_up(opened, summary)


def explain_labels(
    asked: Asked,
    atlas: str,
    file: str,
    labels: Sequence[str],
    cells: Sequence[str],
    genes: int,
    layer: str | None,
) -> Answer:
    """Name the genes that spoke for the labels of a file."""
    path, how = asked.folders.file(file), asked.options(layer=layer)
    found = explain(
        asked.atlas(atlas),
        path,
        labels=labels,
        cells=cells,
        genes=genes,
        options=how,
        **asked.steps(),
    )
    return asdict(found)


# by the names that the tools have
WORK: dict[str, Callable[..., Answer]] = {
    "list_atlases": list_known,
    "describe_atlas": describe_atlas,
    "check_file": check_file,
    "rank_atlases": rank,
    "map_cells": map_cells,
    "explain_labels": explain_labels,
    "write_report": map_cells,
}


def _listed(path: Path) -> Answer:
    try:
        manifest = open_atlas_file(path).manifest
    except CellportError as error:
        return {"atlas": str(path), "about": str(error)}
    about = f"{manifest.name}, {manifest.organism}; {len(manifest.labels)} labels"
    return {"atlas": str(path), "about": about}


def _described(file: AtlasFile) -> Answer:
    one, made = file.manifest, file.manifest.provenance
    return {
        "atlas": one.name,
        "organism": one.organism,
        "labels": one.labels,
        "broader": one.parents,
        "genes": one.n_genes,
        "clusters": one.clusters,
        "tells_unlike_cells": one.has_reference,
        "gives_probabilities": one.gives_prob,
        "held_out": None if one.held_out is None else asdict(one.held_out),
        "source": made.source,
        "licence": made.licence,
        "converted_from": made.converted_from,
        "sha256": file.sha256,
    }


def _format(path: Path) -> str:
    if is_zarr(path):
        return "zarr"
    if path.is_dir():
        return "folder"
    return "HDF5" if h5py.is_hdf5(path) else "text"


def _counts(source: CountSource) -> Answer:
    """Return what is known of counts that were found; the file is closed."""
    try:
        names = source.cell_names(0, min(_EXAMPLES, source.n_cells))
        return {
            "counts_from": source.description,
            "cells": source.n_cells,
            "genes": source.n_genes,
            "first_cells": names.tolist(),
            "first_genes": source.gene_columns["index"][:_EXAMPLES].tolist(),
            "columns": source.obs_texts,
        }
    finally:
        source.close()


def _summed_up(atlas: Atlas, summary: MapSummary) -> Answer:
    labels, calls = set(atlas.manifest.labels), summary.calls
    unknown = 0 if UNKNOWN in labels else calls.get(UNKNOWN, 0)
    sure = sum(n for call, n in calls.items() if call in labels)
    return {
        "atlas": atlas.manifest.name,
        "cells": summary.n_cells,
        "calls": calls,
        "called_a_label": sure,
        "called_a_broader_group": sum(calls.values()) - sure - unknown,
        "called_unknown": unknown,
        "unlike_the_atlas": summary.novel,
        "mean_probability": summary.mean_prob,
        "quality": summary.quality,
        "atlas_genes": summary.genes,
        "counts_from": summary.counts_from,
        "notes": summary.notes,
        "seconds": summary.seconds,
    }
