"""What sums over mapped cells, one module a subject.

`map_files`, the HTTP API, Python and the workers of a Dask cluster run what is named of
`GATHERERS`. A new sum is a new module with a `Gatherer`, and its line here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.columns import Schema
from cellport.runtime.errors import InputError
from cellport.runtime.mapping.gather.gatherer import Gatherer
from cellport.runtime.mapping.gather.tally import Tally
from cellport.runtime.mapping.options import MapOptions

TALLY, FINDINGS, PATHS = "tally", "findings", "paths"
NOVEL_GROUPS, LINEAGES = "novel_groups", "lineages"
LABEL_GENES = "label_genes"


def _tally(atlas: AtlasFile, schema: Schema) -> Gatherer:
    return Tally(schema)


# the others are imported where somebody asks for them: most mappings do not
def _findings(atlas: AtlasFile, schema: Schema) -> Gatherer:
    from cellport.runtime.mapping.gather.findings import Findings

    return Findings(schema)


def _paths(atlas: AtlasFile, schema: Schema) -> Gatherer:
    from cellport.runtime.mapping.gather.paths import PathFindings

    graph = atlas.manifest.trajectory
    return PathFindings(schema, graph.terminal_names if graph else ())


def _novel_groups(atlas: AtlasFile, schema: Schema) -> Gatherer | None:
    if not (atlas.manifest.has_reference and atlas.has_array("gene_share")):
        return None
    from cellport.runtime.mapping.gather.novel_groups import NovelCells

    return NovelCells(atlas)


def _lineages(atlas: AtlasFile, schema: Schema) -> Gatherer | None:
    from cellport.runtime.atlas.trajectory import read_trajectory
    from cellport.runtime.mapping.gather.lineages import LineageCounts

    trajectory = read_trajectory(atlas)
    return None if trajectory is None else LineageCounts(atlas, trajectory)


def _label_genes(atlas: AtlasFile, schema: Schema) -> Gatherer | None:
    if not atlas.manifest.labels:
        return None
    from cellport.runtime.mapping.gather.label_genes import LabelGenes

    return LabelGenes(atlas)


# None where an atlas has nothing to gather along
GATHERERS: dict[str, Callable[[AtlasFile, Schema], Gatherer | None]] = {
    TALLY: _tally,
    FINDINGS: _findings,
    PATHS: _paths,
    NOVEL_GROUPS: _novel_groups,
    LINEAGES: _lineages,
    LABEL_GENES: _label_genes,
}
# what reads the counts that were mapped, which blocks then carry
NEED_COUNTS = (NOVEL_GROUPS, LINEAGES, LABEL_GENES)
# what a report shows
REPORT = (FINDINGS, PATHS, NOVEL_GROUPS, LINEAGES, LABEL_GENES)


def can_gather(names: Sequence[str], options: MapOptions) -> tuple[str, ...]:
    """Return those of some gatherers that have something to gather of cells mapped so, each once.

    Genes that are scaled over the whole query speak for no label as they were counted.
    """
    left_out = {LABEL_GENES} if options.rescale_genes else set()
    return tuple(name for name in dict.fromkeys(names) if name not in left_out)


def start_gathering(names: Sequence[str], atlas: AtlasFile, schema: Schema) -> dict[str, Gatherer]:
    """Return a new gatherer for each name, without those that have nothing to gather here.

    Raises
    ------
    InputError
        There is no gatherer of that name.
    """
    started = {}
    for name in dict.fromkeys(names):
        if name not in GATHERERS:
            raise InputError(f"Nothing gathers {name!r}; take {', '.join(GATHERERS)}.")
        gatherer = GATHERERS[name](atlas, schema)
        if gatherer is not None:
            started[name] = gatherer
    return started
