"""Make the report of a mapping, whole or not at all."""

from __future__ import annotations

import datetime
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from cellport.runtime.atlas.structure import structure_names
from cellport.runtime.base.files import check_place, whole_file
from cellport.runtime.columns import MappedBlock, Schema
from cellport.runtime.errors import OutputError
from cellport.runtime.mapping.atlas import Atlas
from cellport.runtime.mapping.gather.lineage_counts import QueryLineages
from cellport.runtime.mapping.result import Mapping
from cellport.runtime.report.background import read_background
from cellport.runtime.report.collect import Collector
from cellport.runtime.report.contents import Contents, NovelGroup
from cellport.runtime.report.page import render
from cellport.runtime.report.path_collect import PathCollector

_ROWS = 65_536


def check_report(
    path: str | os.PathLike[str], inputs: Sequence[str | os.PathLike[str]] = ()
) -> None:
    """Refuse a report that could not be written, before any work is done for it.

    Parameters
    ----------
    path
        Of the report, ending in ``.html``.
    inputs
        Files that it must not replace.

    Raises
    ------
    OutputError
        Another ending, or the place cannot be written to, or is an input.
    """
    if not Path(path).name.lower().endswith((".html", ".htm")):
        raise OutputError(f"The report '{path}' is an HTML page; let its name end in .html.")
    check_place(path, inputs)


class ReportMaker:
    """Collects mapped blocks and makes their report at the end.

    Parameters
    ----------
    atlas
        Of the mapping; its reference cells are measured at once.
    schema
        Of the mapped blocks.

    Raises
    ------
    AtlasError
        The atlas's reference arrays do not fit each other.
    """

    def __init__(self, atlas: Atlas, schema: Schema) -> None:
        self._manifest = atlas.manifest
        self._trajectory = atlas.trajectory
        self._background = read_background(atlas.file)
        self._collector = Collector(schema)
        self._path = PathCollector(schema, structure_names(atlas.manifest).terminals)

    def add(self, block: MappedBlock) -> None:
        """Take in the cells of a block."""
        self._collector.add(block)
        self._path.add(block)

    def page(
        self,
        uns: dict[str, Any],
        out: str | os.PathLike[str] | None = None,
        groups: Sequence[NovelGroup] = (),
        query_lineages: QueryLineages | None = None,
    ) -> str:
        """Return the page.

        Parameters
        ----------
        uns
            From `Atlas.provenance`.
        out
            Where the mapped cells are written.
        groups
            Of the cells unlike the atlas.
        query_lineages
            The query's own expression along the trajectory.
        """
        return render(
            Contents(
                manifest=self._manifest,
                background=self._background,
                findings=self._collector.findings(),
                facts=uns["cellport"],
                out=None if out is None else Path(out).name,
                made=datetime.datetime.now(datetime.UTC).date(),
                groups=groups,
                path=self._path.findings(),
                trajectory=self._trajectory,
                query_lineages=query_lineages,
            )
        )


def appearing(path: str | os.PathLike[str], page: str) -> AbstractContextManager[None]:
    """Write a page aside, and put it in its place when the ``with`` block ends well."""
    return whole_file(path, page.encode("utf-8"))


def write_report(
    atlas: Atlas,
    mapping: Mapping,
    path: str | os.PathLike[str],
    groups: Sequence[NovelGroup] = (),
) -> None:
    """Write the report of a mapping kept in memory.

    Parameters
    ----------
    atlas
        That the cells were mapped on.
    mapping
        From `Atlas.map`.
    path
        Of the HTML page, which needs no other file and asks nothing of the network.
    groups
        Of the cells unlike the atlas.

    Raises
    ------
    OutputError
        The page cannot be written there; nothing is left behind.
    """
    check_report(path, [atlas.file.path])
    maker = ReportMaker(atlas, mapping.schema)
    for start in range(0, mapping.n_cells, _ROWS):
        rows = slice(start, start + _ROWS)
        maker.add(
            MappedBlock(
                start,
                mapping.cell_names[rows],
                {name: np.asarray(values[rows]) for name, values in mapping.obs.items()},
                {name: values[rows] for name, values in mapping.obsm.items()},
            )
        )
    with appearing(path, maker.page(mapping.uns, groups=groups)):
        pass
