"""What sums over mapped cells, one module a subject.

`map_files`, the HTTP API, Python and the workers of a Dask cluster run what is named of
`GATHERERS`. A new sum is a new module with a `Gatherer`, and its line here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.columns import JOINT, Schema
from cellport.runtime.errors import InputError
from cellport.runtime.mapping.gather.gatherer import Gatherer
from cellport.runtime.mapping.gather.tally import Tally
from cellport.runtime.mapping.options import MapOptions

TALLY, FINDINGS, PATHS = "tally", "findings", "paths"
NOVEL_GROUPS, LINEAGES = "novel_groups", "lineages"
PSEUDOBULK, LABEL_GENES, OPINIONS = "pseudobulk", "label_genes", "opinions"


def _tally(atlas: AtlasFile, schema: Schema, how: MapOptions) -> Gatherer:
    return Tally(schema)


# the others are imported where somebody asks for them: most mappings do not
def _findings(atlas: AtlasFile, schema: Schema, how: MapOptions) -> Gatherer:
    from cellport.runtime.mapping.gather.findings import Findings

    return Findings(schema)


def _paths(atlas: AtlasFile, schema: Schema, how: MapOptions) -> Gatherer:
    from cellport.runtime.mapping.gather.paths import PathFindings

    graph = atlas.manifest.trajectory
    return PathFindings(schema, graph.terminal_names if graph else ())


def _novel_groups(atlas: AtlasFile, schema: Schema, how: MapOptions) -> Gatherer | None:
    if not (atlas.manifest.has_reference and atlas.has_array("gene_share")):
        return None
    from cellport.runtime.mapping.gather.novel_groups import NovelCells

    return NovelCells(atlas)


def _lineages(atlas: AtlasFile, schema: Schema, how: MapOptions) -> Gatherer | None:
    from cellport.runtime.atlas.trajectory import read_trajectory
    from cellport.runtime.mapping.gather.lineages import LineageCounts

    trajectory = read_trajectory(atlas)
    return None if trajectory is None else LineageCounts(atlas, trajectory)


def _pseudobulk(atlas: AtlasFile, schema: Schema, how: MapOptions) -> Gatherer | None:
    if not how.summed_by:
        return None
    from cellport.runtime.mapping.gather.pseudobulk import Pseudobulk

    labels = atlas.manifest.labels if atlas.manifest.gives_prob else ()
    return Pseudobulk(schema, how.summed_by, labels)


def _label_genes(atlas: AtlasFile, schema: Schema, how: MapOptions) -> Gatherer | None:
    # genes that are scaled over the whole query speak for no label as they were counted
    if not atlas.manifest.labels or how.rescale_genes:
        return None
    from cellport.runtime.mapping.gather.label_genes import LabelGenes

    return LabelGenes(atlas)


def _opinions(atlas: AtlasFile, schema: Schema, how: MapOptions) -> Gatherer | None:
    if not schema.categories(JOINT):
        return None
    from cellport.runtime.mapping.gather.opinions import Opinions

    return Opinions(schema)


# None where an atlas has nothing to gather along, or nothing was asked for
GATHERERS: dict[str, Callable[[AtlasFile, Schema, MapOptions], Gatherer | None]] = {
    TALLY: _tally,
    FINDINGS: _findings,
    PATHS: _paths,
    NOVEL_GROUPS: _novel_groups,
    LINEAGES: _lineages,
    PSEUDOBULK: _pseudobulk,
    LABEL_GENES: _label_genes,
    OPINIONS: _opinions,
}
# what reads the counts that were mapped, which blocks then carry
NEED_COUNTS = (NOVEL_GROUPS, LINEAGES, PSEUDOBULK, LABEL_GENES)
# what a report shows
REPORT = (FINDINGS, PATHS, NOVEL_GROUPS, LINEAGES, LABEL_GENES, OPINIONS)


def start_gathering(
    names: Sequence[str], atlas: AtlasFile, schema: Schema, how: MapOptions | None = None
) -> dict[str, Gatherer]:
    """Return a new gatherer for each name, without those that have nothing to gather here.

    What is summed up by columns takes them from `how`.

    Raises
    ------
    InputError
        There is no gatherer of that name.
    """
    started = {}
    for name in dict.fromkeys(names):
        if name not in GATHERERS:
            raise InputError(f"Nothing gathers {name!r}; take {', '.join(GATHERERS)}.")
        gatherer = GATHERERS[name](atlas, schema, how or MapOptions())
        if gatherer is not None:
            started[name] = gatherer
    return started
