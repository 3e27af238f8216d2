"""``cellport map --dask``: a mapping on a cluster, as people see it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cellport import screen
from cellport.runtime.cluster.local import connected
from cellport.runtime.cluster.plan import PART_CELLS
from cellport.runtime.cluster.run import map_dask

if TYPE_CHECKING:
    from cellport.runtime.map_files import Summary
    from cellport.runtime.mapping.atlas import Atlas
    from cellport.runtime.mapping.options import MapOptions


def map_on_cluster(
    atlas: Atlas,
    queries: Sequence[str],
    out: str,
    options: MapOptions,
    cluster: str,
    workers: int | None,
    part_cells: int | None,
    **beside: Any,
) -> Summary:
    """Connect, map with a bar, and say what remains when it is stopped.

    What else is to be written, `beside` the cells, is what `map_dask` takes.

    Raises
    ------
    KeyboardInterrupt
        With a sentence about what was kept.
    """
    try:
        with connected(cluster, workers, options.threads) as client, screen.mapping() as show:
            return map_dask(
                atlas,
                queries,
                client,
                out,
                options,
                part_cells=part_cells or PART_CELLS,
                on_start=show.planned,
                on_progress=show.cells,
                **beside,
            )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            "Stopped; parts that are done are kept: the same command goes on from there."
        ) from None
