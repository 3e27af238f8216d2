"""An open atlas: map queries on it, decode its latent."""

from __future__ import annotations

import os
import time
from collections import abc
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.file import AtlasFile, open_atlas_file
from cellport.runtime.atlas.manifest import Manifest
from cellport.runtime.atlas.session import device_of, has_cuda_provider, open_session
from cellport.runtime.atlas.trajectory import (
    LIBRARY,
    LineageGene,
    Trajectory,
    gene_changes,
    read_trajectory,
    require_trajectory,
)
from cellport.runtime.base.processors import available_threads
from cellport.runtime.columns import MappedBlock
from cellport.runtime.errors import InputError
from cellport.runtime.genes.panel import Panel
from cellport.runtime.mapping.annotate.annotator import Setting
from cellport.runtime.mapping.consensus.companion import Companion, companion
from cellport.runtime.mapping.consensus.labels_alike import numbered
from cellport.runtime.mapping.consensus.listen import listen
from cellport.runtime.mapping.decode import decode_latent
from cellport.runtime.mapping.encode import EncodedCells
from cellport.runtime.mapping.gather import NEED_COUNTS, PSEUDOBULK, start_gathering
from cellport.runtime.mapping.genes.rescale import check_panel, rescale
from cellport.runtime.mapping.options import MapChanges, MapOptions
from cellport.runtime.mapping.outlook.confusion import Confusion, confuse
from cellport.runtime.mapping.outlook.made_cells import can_make, make_cells
from cellport.runtime.mapping.outlook.merged_labels import merge_labels
from cellport.runtime.mapping.outlook.query_depth import query_depth
from cellport.runtime.mapping.pipeline import Pipeline, Stream, prepared
from cellport.runtime.mapping.provenance import provenance
from cellport.runtime.mapping.query import Decided, Query, open_query
from cellport.runtime.mapping.result import Mapping

# plain arrays, by name
Surveyed = dict[str, NDArray[Any]]


class Atlas:
    """A reference atlas, ready to map."""

    def __init__(self, file: AtlasFile) -> None:
        self.file = file
        self._tails: dict[tuple[str, int], Any] = {}
        self._made: dict[Any, Any] = {}
        self._others: dict[str, Atlas] = {}

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
        return self.manifest.panel

    def map(
        self,
        query: Any,
        options: MapOptions | None = None,
        *,
        gather: Sequence[str] = (),
        **changes: Unpack[MapChanges],
    ) -> Mapping:
        """Map a query and keep the result in memory.

        Parameters
        ----------
        query
            A path (h5ad, 10x h5, 10x folder, zarr), an AnnData, or a tuple of a matrix
            [cells, genes] and its gene names (and cell names).
        options
            How to map.
        gather
            What to sum up of the cells and their counts on the way, by name
            (`cellport.runtime.mapping.gather.GATHERERS`); a report shows all of it. Where the
            option `pseudobulk` names columns, counts are summed up by them without being asked.
        **changes
            Single options by name: ``layer="counts"``.

        Returns
        -------
        Mapping
            Columns and matrices by name, in the order of the query's cells.

        Raises
        ------
        InputError
            The query does not hold raw counts of enough panel genes.

        Examples
        --------
        >>> mapping = atlas.map("my_cells.h5ad")  # doctest: +SKIP
        >>> mapping["cellport_label"]  # doctest: +SKIP
        """
        began = time.perf_counter()
        how = replace(options or MapOptions(), **changes)
        kept = how.keep_counts
        gather = (*gather, PSEUDOBULK) if how.summed_by else gather
        needed = kept or any(name in NEED_COUNTS for name in gather)
        stream = self.stream(query, how, keep_counts=needed)
        sums = start_gathering(gather, self.file, stream.schema, how)

        def watched(block: MappedBlock) -> MappedBlock:
            for one in sums.values():
                one.add(block, stream.genes)
            return block if kept else block.without_counts()

        mapping = Mapping.from_blocks(stream.schema, map(watched, stream.blocks))
        uns = self.provenance([stream], time.perf_counter() - began)
        return replace(mapping, uns=uns, gathered=sums)

    def stream(
        self,
        query: Any,
        options: MapOptions | None = None,
        *,
        cells: tuple[int, int] | None = None,
        among: tuple[Sequence[str], int] = ((), 0),
        decided: Decided | None = None,
        surveyed: Surveyed | None = None,
        **changes: Unpack[MapChanges],
    ) -> Stream:
        """Map a query block by block, in memory that does not grow with its cells.

        Parameters are those of `map`, and

        Parameters
        ----------
        cells
            Map the cells ``start:stop`` alone. Where the counts are and which genes there are is
            decided on the whole query all the same.
        among
            Names of all queries that go into one result, and the position of this one.
        decided
            What was decided on the whole of it, where that is known; else its cells are looked at.
        surveyed
            What `survey` of all cells concluded, where something needs that and it is known; else
            they are gone through first.

        Returns
        -------
        Stream
            Its ``blocks`` are mapped as they are asked for.

        Raises
        ------
        InputError
            The query does not hold raw counts of enough panel genes.

        Examples
        --------
        >>> for block in atlas.stream("many_cells.h5ad").blocks:  # doctest: +SKIP
        ...     print(block.start, block.obs["cellport_label"])
        """
        how = replace(options or MapOptions(), **changes)
        if how.block_cells < 1:
            raise InputError("block_cells must be at least 1.")
        opened = self.prepare(query, how, among, decided)
        source, genes = opened.query.source, opened.query.genes
        try:
            tail = self._tail(how)
            start, stop = cells or (0, source.n_cells)
            threads = how.threads or available_threads()
            blocks = opened.blocks(tail, threads, start, stop, surveyed)
        except BaseException:
            source.close()
            raise
        return Stream(
            schema=opened.schema,
            n_cells=stop - start,
            genes=genes,
            gene_names=opened.query.gene_names,
            facts=opened.facts,
            atlas_facts=opened.atlas_facts,
            device=device_of(tail),
            gpu_build=has_cuda_provider(),
            cell_names=source.cell_names,
            blocks=blocks,
        )

    def survey(
        self,
        query: Any,
        how: MapOptions,
        cells: tuple[int, int],
        among: tuple[Sequence[str], int],
        decided: Decided,
    ) -> Surveyed:
        """Go through the cells ``start:stop`` for what needs to know all of them: its `state`."""
        opened = self.prepare(query, how, among, decided)
        assert opened.survey is not None
        opened.survey_cells(self._tail(how), how.threads or available_threads(), *cells)
        return opened.survey.state()

    def introduce(self, others: abc.Mapping[str, Atlas]) -> None:
        """Have the option `also` mean these open atlases by these names, whatever files there are.

        Parameters
        ----------
        others
            Atlases by name.

        Examples
        --------
        >>> atlas.introduce({"mine": other_atlas})  # doctest: +SKIP
        >>> atlas.map("my_cells.h5ad", also="mine")  # doctest: +SKIP
        """
        self._others |= others

    def open_network(self, how: MapOptions) -> None:
        """Open the network that maps, which is opened else when the first query is mapped.

        Raises
        ------
        AtlasError
            onnxruntime cannot load it.
        """
        self._tail(how)

    def prepare(
        self,
        query: Any,
        how: MapOptions,
        among: tuple[Sequence[str], int] = ((), 0),
        decided: Decided | None = None,
    ) -> Pipeline:
        """Open a query, and prepare all that its cells will get; map nothing yet.

        Raises
        ------
        InputError
            The query does not hold raw counts of enough panel genes, or the atlas does not have
            what the options ask for.
        """
        opened = self.open_query(query, how, decided)
        try:
            companions = self._companions(opened, how, decided)
            known = None
            if companions and decided is None:
                opened, known = _heard(opened, how, companions)
            if decided is None:
                opened = replace(opened, decided=self._decided(opened, how))
            return prepared(opened, self.setting(how, among), companions, known)
        except BaseException:
            opened.source.close()
            raise

    def open_query(self, query: Any, how: MapOptions, decided: Decided | None = None) -> Query:
        """Find a query's counts and match its genes, and decide nothing else of it yet.

        Raises
        ------
        InputError
            The query does not hold raw counts of enough panel genes.
        """
        profiles = partial(self.file.array, "label_mean") if self.manifest.has_reference else None
        return open_query(query, self.file, how, profiles, decided)

    def _companions(
        self, query: Query, how: MapOptions, decided: Decided | None
    ) -> tuple[Companion, ...]:
        """Open what maps the same counts onto other atlases; this one comes first."""
        atlases = [self._other(path) for path in how.other_atlases]
        if not atlases:
            return ()
        known = decided.others if decided else (None,) * len(atlases)
        queries = [
            one.open_query(query.source, how, of_it)
            for one, of_it in zip(atlases, known, strict=True)
        ]
        every = [self, *atlases]
        names = numbered([one.manifest.name for one in every])
        return tuple(
            companion(name, one.setting(how), one._tail(how), its)
            for name, one, its in zip(names, every, [query, *queries], strict=True)
        )

    def _other(self, path: str) -> Atlas:
        if path not in self._others:
            self._others[path] = load_atlas(path)
        return self._others[path]

    def _decided(self, query: Query, how: MapOptions) -> Decided:
        """Decide what the options ask for that takes a look at the whole query."""
        decided = query.decided
        if how.rescale_genes:
            check_panel(query.source, query.genes, self.file, how.minimum_genes)
            scales = rescale(query.source, query.genes, self.file, self._tail(how))
            decided = replace(decided, rescaling=scales)
        if how.merge_labels:
            can_make(self.file)
            depth = query_depth(query.source, query.genes)
            found = self.confusion(query.genes.measured, depth)
            decided = replace(decided, merged=tuple(merge_labels(found).tolist()))
        return decided

    def setting(self, how: MapOptions, among: tuple[Sequence[str], int] = ((), 0)) -> Setting:
        """Return what annotators are prepared from, before a query is known."""
        names, position = among
        return Setting(
            self.file, how, self.decode, self._made, queries=tuple(names), query=position
        )

    def decode(
        self,
        latent: NDArray[np.floating],
        batch: str | None = None,
        library: float | NDArray[np.floating] = LIBRARY,
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
            No such batch, a latent of another width, a library of another length, or an atlas
            without a decoder.
        """
        return decode_latent(self._decoder, self.manifest, latent, batch, library)

    @cached_property
    def trajectory(self) -> Trajectory | None:
        """Where the reference's cells go, and expression along it.

        None for an atlas without a trajectory.
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
        found = require_trajectory(self.trajectory, self.manifest.name)
        return gene_changes(found, self.panel.names, lineage)

    def confusion(self, measured: NDArray[np.bool_], depth: float) -> Confusion:
        """Tell which labels cells would be given by some of the panel genes.

        Parameters
        ----------
        measured
            bool [genes], those that are counted.
        depth
            Counts of a cell over these genes, the median.
        """
        made = make_cells(self.file, self.decode, measured, depth)
        return confuse(self.file, self._tail(MapOptions()), made, measured)

    def provenance(self, streams: Sequence[Stream], seconds: float) -> dict[str, Any]:
        """Return what ``uns["cellport"]`` says of a finished mapping."""
        import onnxruntime

        facts, first = [stream.facts for stream in streams], streams[0]
        version = onnxruntime.__version__
        return provenance(self.file, facts, first.atlas_facts, first.device, version, seconds)

    @cached_property
    def _decoder(self) -> Any:
        if "decoder.onnx" not in self.file:
            raise InputError(
                f"Atlas '{self.manifest.name}' has no decoder: the model that it was converted "
                "from cannot say what expression a latent stands for."
            )
        return open_session(self.file.read("decoder.onnx"), "decoder.onnx", device="cpu")

    def _tail(self, how: MapOptions) -> Any:
        key = (how.device, how.threads or available_threads())
        if key not in self._tails:
            graph = self.file.read("encoder_tail.onnx")
            self._tails[key] = open_session(graph, "encoder_tail.onnx", *key)
        return self._tails[key]


def _heard(
    query: Query, how: MapOptions, companions: tuple[Companion, ...]
) -> tuple[Query, EncodedCells | None]:
    """Decide how atlases are heard together, and return what they say of all cells if they did."""
    first, *beside = companions
    heard, known = listen(query.source, first, beside, how.threads or available_threads())
    others = tuple(one.query.decided for one in beside)
    decided = replace(query.decided, others=others, heard=heard)
    # with genes put on another scale the first says something else
    return replace(query, decided=decided), None if how.rescale_genes else known


def load_atlas(path: str | os.PathLike[str]) -> Atlas:
    """Open an atlas.

    Parameters
    ----------
    path
        A ``.cellport`` file; or the name or the address of an atlas, or the name of a published
        model (``celltypist:NAME``, ``hf:OWNER/REPO``), which is fetched when it is not here yet.

    Returns
    -------
    Atlas
        Ready to map.

    Raises
    ------
    AtlasError
        No such file or name, damaged, hostile, or of a newer format.

    Examples
    --------
    >>> atlas = cellport.load_atlas("lung")  # doctest: +SKIP
    """
    if os.path.exists(path):
        return Atlas(open_atlas_file(path))
    from cellport.runtime.fetch.pull import find_file

    return Atlas(find_file(path))
