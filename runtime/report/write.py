"""Make the report of a mapping, whole or not at all."""

from __future__ import annotations

import datetime
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cellport.runtime.base.files import check_place, whole_file
from cellport.runtime.columns import MappedBlock
from cellport.runtime.decisions import whole
from cellport.runtime.errors import AtlasError, OutputError
from cellport.runtime.mapping.atlas import Atlas
from cellport.runtime.mapping.explain.genes import LabelReasons
from cellport.runtime.mapping.gather import (
    FINDINGS,
    LABEL_GENES,
    LINEAGES,
    NOVEL_GROUPS,
    OPINIONS,
    PATHS,
    start_gathering,
)
from cellport.runtime.mapping.gather.findings import Findings
from cellport.runtime.mapping.gather.gatherer import Gatherer
from cellport.runtime.mapping.gather.label_genes import LabelGenes
from cellport.runtime.mapping.gather.lineages import LineageCounts
from cellport.runtime.mapping.gather.novel_groups import NovelCells
from cellport.runtime.mapping.gather.opinions import Opinions
from cellport.runtime.mapping.gather.paths import PathFindings
from cellport.runtime.mapping.result import Mapping
from cellport.runtime.report.background import read_background
from cellport.runtime.report.contents import ReportContents
from cellport.runtime.report.page import render

_ROWS = 65_536


def check_report(
    path: str | os.PathLike[str], inputs: Sequence[str | os.PathLike[str]] = ()
) -> None:
    """Refuse a report that could not be written, before any work is done for it.

    Raises
    ------
    OutputError
        It does not end in ``.html``, or the place cannot be written to, or is an input.
    """
    if not Path(path).name.lower().endswith((".html", ".htm")):
        raise OutputError(f"The report '{path}' is an HTML page; let its name end in .html.")
    check_place(path, inputs)


def report_page(
    atlas: Atlas,
    gathered: dict[str, Gatherer],
    uns: dict[str, Any],
    out: str | os.PathLike[str] | None = None,
) -> str:
    """Return the page about a finished mapping, whose provenance is `uns`.

    The gatherers `FINDINGS` and `PATHS` have to be there, `NOVEL_GROUPS`, `LINEAGES`,
    `LABEL_GENES` and `OPINIONS` may be.

    Raises
    ------
    AtlasError
        The atlas's reference cells cannot be measured.
    """
    findings, paths = gathered[FINDINGS], gathered[PATHS]
    novel, lineages = gathered.get(NOVEL_GROUPS), gathered.get(LINEAGES)
    opinions = gathered.get(OPINIONS)
    assert isinstance(findings, Findings)
    assert isinstance(paths, PathFindings)
    return render(
        ReportContents(
            manifest=atlas.manifest,
            background=read_background(atlas.file) if atlas.manifest.has_reference else None,
            findings=findings,
            paths=paths,
            facts=uns["cellport"],
            out=None if out is None else Path(out).name,
            made=datetime.datetime.now(datetime.UTC).date(),
            reasons=_reasons(gathered.get(LABEL_GENES)),
            opinions=opinions if isinstance(opinions, Opinions) else None,
            groups=novel.groups() if isinstance(novel, NovelCells) else (),
            trajectory=atlas.trajectory,
            query_lineages=lineages.found() if isinstance(lineages, LineageCounts) else None,
        )
    )


def _reasons(kept: Gatherer | None) -> tuple[LabelReasons, ...]:
    """Genes that spoke for the types; none of an atlas whose network cannot be followed."""
    if not isinstance(kept, LabelGenes):
        return ()
    try:
        return kept.reasons(whole("explain.genes"))
    except AtlasError:
        return ()


def write_report(atlas: Atlas, mapping: Mapping, path: str | os.PathLike[str]) -> None:
    """Write the report of a mapping kept in memory.

    Groups of cells unlike the atlas, genes that spoke for the types, and what the query's own
    counts say along a trajectory, are on it when they were gathered on the way:
    ``atlas.map(query, gather=cellport.runtime.mapping.gather.REPORT)``. The page is HTML, needs no
    other file and asks nothing of the network.

    Parameters
    ----------
    atlas
        What was mapped on.
    mapping
        What `Atlas.map` returned.
    path
        The ``.html`` file to write; replaced when it exists.

    Raises
    ------
    OutputError
        The page cannot be written there; nothing is left behind.

    Examples
    --------
    >>> cellport.write_report(atlas, mapping, "report.html")  # doctest: +SKIP
    """
    check_report(path, [atlas.file.path])
    page = report_page(atlas, _gathered(atlas, mapping), mapping.uns)
    with whole_file(path, page.encode()):
        pass


def _gathered(atlas: Atlas, mapping: Mapping) -> dict[str, Gatherer]:
    """Return what was gathered on the way, and what can be of the columns alone."""
    missing = [name for name in (FINDINGS, PATHS) if name not in mapping.gathered]
    started = start_gathering(missing, atlas.file, mapping.schema)
    for start in range(0, mapping.n_cells if started else 0, _ROWS):
        rows = slice(start, start + _ROWS)
        obs = {name: values[rows] for name, values in mapping.obs.items()}
        obsm = {name: values[rows] for name, values in mapping.obsm.items()}
        block = MappedBlock(start, mapping.cell_names[rows], obs, obsm)
        for gatherer in started.values():
            # these two look at no genes
            assert isinstance(gatherer, Findings | PathFindings)
            gatherer.add(block)
    return mapping.gathered | started
