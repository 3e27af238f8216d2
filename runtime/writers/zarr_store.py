"""Write results as an AnnData zarr store, with zarr (the extra ``cellport[zarr]``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cellport.runtime.columns import MappedBlock, Schema
from cellport.runtime.writers.anndata_layout import TEXT, cell_arrays, frame, text, write_uns

CHUNK_CELLS = 1 << 15


class ZarrSink:
    """A zarr store being filled, in format 2, which every reader of zarr knows.

    Blocks are gathered into whole chunks, so that none is compressed twice.
    """

    def __init__(self, path: Path, schema: Schema, n_cells: int) -> None:
        from cellport.runtime.base.extras import require

        require("zarr", "Writing .zarr")
        import zarr

        self._store = _Zarr()
        try:
            self._root = zarr.open_group(str(path), mode="w-", zarr_format=2)
            self._cells = cell_arrays(self._store, self._root, schema, n_cells)
            text(self._store, frame(self._store, self._root, "var", []), "_index", ())
        except BaseException:
            self.discard()
            raise
        self._waiting: list[MappedBlock] = []
        self._begin = 0

    def write(self, block: MappedBlock) -> None:
        """Take a block, and write those gathered once they fill a chunk."""
        self._waiting.append(block)
        if block.start + block.n_cells - self._begin >= CHUNK_CELLS:
            self._write_waiting(whole_chunks=True)

    def finish(self, uns: Mapping[str, Any]) -> None:
        """Write what is left and ``uns``."""
        self._write_waiting(whole_chunks=False)
        write_uns(self._store, self._root, "uns", uns)

    def discard(self) -> None:
        """Wait until nothing is written any more.

        Of the files that zarr writes at once one may fail while the others still come, and what is
        removed would come again.
        """
        from zarr.core.sync import sync

        sync(_others_done())

    def _write_waiting(self, *, whole_chunks: bool) -> None:
        if not self._waiting:
            return
        last = self._waiting[-1]
        end = last.start + last.n_cells
        if whole_chunks:
            end -= end % CHUNK_CELLS
        rows = slice(self._begin, end)
        kept = end - self._begin
        if kept:
            for parts in zip(*map(self._cells.of, self._waiting), strict=True):
                array = parts[0][0]
                array[rows] = np.concatenate([values for _, values in parts])[:kept]
        self._begin = end
        self._waiting = [_rest(last, end)] if end < last.start + last.n_cells else []


async def _others_done() -> None:
    """Wait for whatever else runs in zarr's own loop."""
    import asyncio

    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        await asyncio.wait(others)


def _rest(block: MappedBlock, start: int) -> MappedBlock:
    """Return the cells of a block from `start` on."""
    skipped = start - block.start
    return MappedBlock(
        start,
        block.cell_names[skipped:],
        {name: values[skipped:] for name, values in block.obs.items()},
        {name: values[skipped:] for name, values in block.obsm.items()},
    )


class _Zarr:
    """How zarr makes what the layout asks for."""

    def array(self, parent: Any, name: str, shape: tuple[int, ...], dtype: Any) -> Any:
        chunks = tuple(max(1, extent) for extent in shape)
        if shape:
            chunks = (min(chunks[0], CHUNK_CELLS), *chunks[1:])
        how: dict[str, Any] = {"dtype": dtype}
        if dtype == TEXT:
            from numcodecs import VLenUTF8
            from zarr.core.dtype import VariableLengthUTF8

            how = {"dtype": VariableLengthUTF8(), "filters": [VLenUTF8()], "fill_value": ""}
        return parent.create_array(name, shape=shape, chunks=chunks, **how)

    def scalar(self, parent: Any, name: str, value: Any) -> Any:
        is_text = isinstance(value, str)
        made = self.array(parent, name, (), TEXT if is_text else np.asarray(value).dtype)
        made[...] = np.array(value, object) if is_text else value
        return made

    def names(self, item: Any, key: str, values: Sequence[str]) -> None:
        item.attrs[key] = list(values)
