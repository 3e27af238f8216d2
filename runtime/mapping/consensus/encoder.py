"""What encodes the cells of one query on one atlas."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from typing import Any

from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.mapping.encode import (
    EncodedCells,
    check_answers,
    encode_block,
    query_basis,
)
from cellport.runtime.mapping.genes.information import as_sure_as_its_genes
from cellport.runtime.mapping.query import Query
from cellport.runtime.sources import CountBlock

Encode = Callable[[CountBlock], EncodedCells]


def encoder_of(
    query: Query, atlas: AtlasFile, tail: Any, threads: int, pool: Executor | None
) -> Encode:
    """Return what takes blocks of the query's counts to every answer of the atlas.

    `tail` is a session of ``encoder_tail.onnx``.
    """
    genes, rescaling = query.genes, query.decided.rescaling
    scaling = None if rescaling is None else rescaling.of_panel(atlas.manifest.n_genes)
    basis = query_basis(atlas, genes.panel_column, genes.measured, genes.is_gene, scaling)
    power = atlas.manifest.head.calibration.information_power
    information = query.coverage.share if query.coverage.of_labels else 1.0

    def encode(block: CountBlock) -> EncodedCells:
        cells = encode_block(block, basis, tail, threads, pool)
        check_answers(cells, atlas.manifest)
        return as_sure_as_its_genes(cells, information, power)

    return encode


def on_all(encode: Encode, others: Sequence[Encode]) -> Encode:
    """Return what takes counts to the answers of an atlas, and to those of others beside them."""

    def encode_on_all(block: CountBlock) -> EncodedCells:
        return replace(encode(block), others=tuple(other(block) for other in others))

    return encode_on_all


def from_known(cells: EncodedCells, threads: int, pool: Executor | None) -> Encode:
    """Return what looks up the answers for blocks of cells that were all encoded before."""

    def look_up(block: CountBlock) -> EncodedCells:
        return cells.rows(block.start, block.start + block.n_cells, threads, pool)

    return look_up
