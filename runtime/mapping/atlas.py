"""An open atlas: map queries on it, decode its latent."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.file import AtlasFile, Manifest, open_atlas_file
from cellport.runtime.atlas.novelty_table import read_novelty_table
from cellport.runtime.atlas.session import (
    device_of,
    has_cuda_provider,
    open_session,
)
from cellport.runtime.atlas.trajectory import (
    LineageGene,
    Trajectory,
    gene_changes,
    read_trajectory,
    require_trajectory,
)
from cellport.runtime.base.prefetch import prefetch
from cellport.runtime.base.processors import available_threads
from cellport.runtime.columns import MappedBlock, Schema
from cellport.runtime.errors import CellportError, InputError, first_line
from cellport.runtime.genes.match import GeneMatch, match_genes
from cellport.runtime.genes.panel import Panel
from cellport.runtime.mapping.annotate.corrected import (
    CORRECTED,
    Correction,
    check_batch,
    names_or_file,
    prepare_correction,
)
from cellport.runtime.mapping.annotate.neighbors import (
    Neighbors,
    neighbor_columns,
    open_neighbors,
    with_neighbors,
)
from cellport.runtime.mapping.decode import decode_latent
from cellport.runtime.mapping.encode import encode_block, query_first_layer
from cellport.runtime.mapping.options import MapOptions as MapOptions
from cellport.runtime.mapping.options import Stream as Stream
from cellport.runtime.mapping.provenance import provenance
from cellport.runtime.mapping.result import Mapping
from cellport.runtime.mapping.transfer import result_schema, transfer_block
from cellport.runtime.sources import CountBlock, CountSource, open_source


class Atlas:
    """A reference atlas, ready to map.

    Parameters
    ----------
    file
        The open, checked atlas file.
    """

    def __init__(self, file: AtlasFile) -> None:
        self.file = file
        self._tails: dict[tuple[str, int], Any] = {}
        self._neighbors: dict[int, Neighbors] = {}
        self._corrections: dict[tuple[tuple[str, ...], str | None], Correction] = {}

    def __repr__(self) -> str:
        m = self.manifest
        return (
            f"Atlas({m.name!r}: {m.n_genes} genes, {len(m.labels)} labels, {m.n_latent}-d latent)"
        )

    @property
    def manifest(self) -> Manifest:
        """What the atlas says of itself."""
        return self.file.manifest

    @property
    def panel(self) -> Panel:
        """The genes it reads."""
        return Panel(self.manifest.symbols, self.manifest.ensembl)

    def map(self, query: Any, options: MapOptions | None = None, **changes: Any) -> Mapping:
        """Map a query and keep the result in memory.

        Parameters
        ----------
        query
            A path (h5ad, 10x h5, 10x folder, zarr), an AnnData, or a tuple of a matrix
            [cells, genes] and its gene names (and cell names).
        options
            How to map.
        **changes
            Single options by name: ``layer="counts"``.

        Returns
        -------
        Mapping

        Raises
        ------
        InputError
            The query does not hold raw counts of enough panel genes.
        """
        began = time.perf_counter()
        stream = self.stream(query, options, **changes)
        mapping = Mapping.from_blocks(stream.schema, stream.blocks, {})
        return replace(mapping, uns=self.provenance([stream], time.perf_counter() - began))

    def stream(
        self,
        query: Any,
        options: MapOptions | None = None,
        *,
        cells: tuple[int, int] | None = None,
        **changes: Any,
    ) -> Stream:
        """Map a query block by block, in memory that does not grow with its cells.

        Parameters are those of `map`, and

        Parameters
        ----------
        cells
            Map the cells ``start:stop`` alone. Where the counts are and which genes there are is
            decided on the whole query all the same.
        """
        how = replace(options or MapOptions(), **changes)
        if how.block_cells < 1:
            raise InputError("block_cells must be at least 1.")
        source, genes = self.open_query(query, how)
        try:
            tail = self._tail(how)
            correction = self.correction(how)
            neighbors = self._nearest(how.neighbors) if how.neighbors else None
            start, stop = cells or (0, source.n_cells)
            counts = source.blocks(how.block_cells, start, stop)
            blocks = self._mapped(source, counts, genes, tail, neighbors, correction, how)
        except BaseException:
            source.close()
            raise
        notes = (*source.notes, *genes.warnings)
        if correction is not None:
            notes = (*notes, *correction.notes(len(self.manifest.batches)))
        return Stream(
            schema=_schema(self.manifest, how, correction),
            n_cells=stop - start,
            genes=genes,
            gene_names=source.gene_columns[genes.column],
            counts_from=source.description,
            notes=notes,
            device=device_of(tail),
            gpu_build=has_cuda_provider(),
            correction=correction,
            blocks=blocks,
        )

    def open_query(self, query: Any, how: MapOptions) -> tuple[CountSource, GeneMatch]:
        """Find a query's counts and match its genes, and map nothing yet.

        Raises
        ------
        InputError
            The query does not hold raw counts of enough panel genes.
        """
        source = open_source(
            query, layer=how.layer, threads=how.threads, allow_fractional=how.allow_fractional
        )
        try:
            genes = match_genes(
                source.gene_columns,
                self.panel,
                organism=self.manifest.organism or None,
                minimum=how.minimum_genes,
                warn_below=self.manifest.thresholds["low_gene_coverage"],
                any_organism=how.any_organism,
                source=source.description,
            )
        except BaseException:
            source.close()
            raise
        return source, genes

    def decode(
        self,
        latent: NDArray[np.floating],
        batch: str | None = None,
        library: float | NDArray[np.floating] = 1e4,
    ) -> NDArray[np.float32]:
        """Return the expected counts of the panel genes.

        Parameters
        ----------
        latent
            float [n, latent].
        batch
            A batch of the reference; the mean over all of them when None.
        library
            Counts per cell, one number or [n].

        Returns
        -------
        ndarray
            float32 [n, genes], in the order of ``panel``.

        Raises
        ------
        InputError
            No such batch, a latent of another width, or a library of another length.
        """
        return decode_latent(self._decoder, self.manifest, latent, batch, library)

    def correction(self, how: MapOptions) -> Correction | None:
        """Prepare what `MapOptions.corrected_expression` asks for; None where it asks nothing.

        Raises
        ------
        InputError
            A gene or the batch is not in the atlas, or a batch was named without genes.
        """
        wanted = how.corrected_expression
        genes = names_or_file(wanted) if isinstance(wanted, str) else tuple(wanted)
        if not genes and not wanted:
            if how.corrected_batch is not None:
                raise InputError("A batch to correct to needs genes; name those to correct.")
            return None
        key = genes, how.corrected_batch
        if key not in self._corrections:
            check_batch(how.corrected_batch, self.manifest.batches)
            latent = self.file.array("reference_latent")
            self._corrections[key] = prepare_correction(
                self.panel, *key, latent, self.manifest.batches, self.decode
            )
        return self._corrections[key]

    @cached_property
    def trajectory(self) -> Trajectory | None:
        """Where the reference's cells go, and expression along it.

        None for an atlas without a trajectory, or made before atlases described it.
        """
        return read_trajectory(self.file)

    def lineage_genes(self, lineage: str | None = None) -> list[LineageGene]:
        """Rank the panel genes by how much they change along each lineage.

        Parameters
        ----------
        lineage
            The terminal state of one lineage; all of them when None.

        Returns
        -------
        list of LineageGene
            Those of one lineage together, the most changed first; ``pandas.DataFrame`` makes a
            table of it.

        Raises
        ------
        InputError
            The atlas does not describe a trajectory, or has no such lineage.
        """
        found = require_trajectory(self.trajectory, self.manifest)
        return gene_changes(found, self.panel.names, lineage)

    def provenance(self, streams: Sequence[Stream], seconds: float) -> dict[str, Any]:
        """Return what ``uns["cellport"]`` says of a finished mapping."""
        import onnxruntime

        facts, first = [stream.facts for stream in streams], streams[0]
        return provenance(
            self.file, facts, first.device, onnxruntime.__version__, seconds, first.correction
        )

    @cached_property
    def _decoder(self) -> Any:
        return open_session(self.file.read("decoder.onnx"), "decoder.onnx", device="cpu")

    def _tail(self, how: MapOptions) -> Any:
        key = (how.device, how.threads or available_threads())
        if key not in self._tails:
            graph = self.file.read("encoder_tail.onnx")
            self._tails[key] = open_session(graph, "encoder_tail.onnx", *key)
        return self._tails[key]

    def _nearest(self, k: int) -> Neighbors:
        if k not in self._neighbors:
            self._neighbors[k] = open_neighbors(self.file, k)
        return self._neighbors[k]

    def _mapped(
        self,
        source: CountSource,
        counts: Iterator[CountBlock],
        genes: GeneMatch,
        tail: Any,
        neighbors: Neighbors | None,
        correction: Correction | None,
        how: MapOptions,
    ) -> Iterator[MappedBlock]:
        first = query_first_layer(self.file, genes.panel_column, genes.measured)
        novelty = read_novelty_table(self.file)
        threads = how.threads or available_threads()
        with closing(source), ThreadPoolExecutor(threads) as pool:
            # one thread is one processor: nothing goes on beside it
            for block in prefetch(counts, 1) if threads > 1 else counts:
                with _concerning(block):
                    answers = encode_block(block, first, tail, threads, pool)
                    names = source.cell_names(block.start, block.start + block.n_cells)
                    mapped = transfer_block(
                        block.start, names, answers, self.manifest, genes.share, novelty
                    )
                    if neighbors is not None:
                        mapped = with_neighbors(mapped, neighbors, threads, pool)
                    if correction is not None:
                        mapped = correction.added(mapped)
                yield replace(mapped, counts=block) if how.keep_counts else mapped


@contextmanager
def _concerning(block: CountBlock) -> Iterator[None]:
    """Say which cells a failure concerns."""
    cells = f"Cells {block.start} to {block.start + block.n_cells - 1}"
    try:
        yield
    except CellportError as error:
        raise type(error)(f"{cells} could not be mapped. {error}") from error
    except Exception as error:
        reason = f"{type(error).__name__}: {first_line(error)}"
        raise CellportError(f"{cells} could not be mapped: {reason}.") from error


def _schema(manifest: Manifest, how: MapOptions, correction: Correction | None) -> Schema:
    schema = result_schema(manifest)
    if how.neighbors:
        columns, obsm = neighbor_columns(how.neighbors)
        schema = Schema((*schema.columns, *columns), {**schema.obsm, **obsm})
    if correction is None:
        return schema
    obsm = {**schema.obsm, CORRECTED: len(correction.genes)}
    return Schema(schema.columns, obsm, {CORRECTED: correction.flat_names})


def load_atlas(path: str | os.PathLike[str]) -> Atlas:
    """Open an atlas.

    Parameters
    ----------
    path
        A ``.cellport`` file; or the name or the address of an atlas, which is fetched when it is
        not here yet.

    Raises
    ------
    AtlasError
        No such file or name, damaged, hostile, or of a newer format.
    """
    if not os.path.exists(path):
        from cellport.runtime.fetch.pull import find_atlas

        path = find_atlas(path)
    return Atlas(open_atlas_file(path))
