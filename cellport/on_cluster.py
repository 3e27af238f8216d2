"""``cellport map --dask``: a mapping on a cluster, as people see it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cellport import screen
from cellport.runtime.cluster.local import connected
from cellport.runtime.cluster.plan import PART_CELLS
from cellport.runtime.cluster.run import map_dask
from cellport.runtime.errors import InputError

if TYPE_CHECKING:
    from cellport.runtime.map_files import Summary
    from cellport.runtime.mapping.atlas import Atlas, MapOptions


def refuse_options(with_counts: bool, report: str | None, lineage_genes: str | None) -> None:
    """Refuse what a folder of Parquet files cannot hold, or many processes cannot make.

    Raises
    ------
    InputError
        Saying which option.
    """
    if with_counts:
        raise InputError("--with-counts needs an .h5ad output; leave it or --dask out.")
    if report is not None:
        raise InputError("--report is written by one process; leave it or --dask out.")
    if lineage_genes is not None:
        raise InputError("--lineage-genes is written by one process; leave it or --dask out.")


def map_on_cluster(
    atlas: Atlas,
    queries: Sequence[str],
    out: str,
    options: MapOptions,
    cluster: str,
    workers: int | None,
    part_cells: int | None,
) -> Summary:
    """Connect, map with a bar, and say what remains when it is stopped.

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
                planned=show.planned,
                progress=show.cells,
            )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            "Stopped; parts that are done are kept: the same command goes on from there."
        ) from None
