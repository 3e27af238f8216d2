"""Write results as Parquet, with pyarrow (the extra ``cellport[parquet]``)."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.columns import Column, MappedBlock, Schema
from cellport.runtime.writers.flat import CELL, flat_columns, no_cells

_ROW_GROUP_CELLS = 1 << 16


class ParquetSink:
    """A Parquet file being filled.

    Categories are dictionaries, a missing one is null; ``uns`` is JSON in the file's metadata
    under the key ``cellport``. Blocks are gathered into row groups, since small ones read slowly.
    """

    def __init__(self, path: Path, schema: Schema) -> None:
        from cellport.runtime.base.extras import require

        require("parquet", "Writing .parquet")
        import pyarrow
        import pyarrow.parquet

        self._arrow = pyarrow
        self._schema = schema
        self._waiting: list[Any] = []
        arrow_schema = self._table(no_cells(schema)).schema
        text = [CELL, *(column.name for column in schema.columns if column.kind != "float")]
        self._file = path.open("xb")
        self._writer = pyarrow.parquet.ParquetWriter(self._file, arrow_schema, use_dictionary=text)

    def write(self, block: MappedBlock) -> None:
        """Take a block, and write those gathered once they fill a row group."""
        self._waiting.append(self._table(block))
        if sum(table.num_rows for table in self._waiting) >= _ROW_GROUP_CELLS:
            self._write_waiting()

    def finish(self, uns: Mapping[str, Any]) -> None:
        """Write what is left and the metadata, and close the file."""
        if self._waiting:
            self._write_waiting()
        self._writer.add_key_value_metadata({"cellport": json.dumps(uns, default=_plain)})
        self._writer.close()
        self._file.close()

    def discard(self) -> None:
        """Close the file whatever its state."""
        # Kept from writing a footer, also when it is garbage collected.
        self._writer.is_open = False
        with contextlib.suppress(OSError):
            self._file.close()

    def _write_waiting(self) -> None:
        self._writer.write_table(self._arrow.concat_tables(self._waiting))
        self._waiting.clear()

    def _table(self, block: MappedBlock) -> Any:
        arrow = self._arrow
        arrays = [arrow.array(block.cell_names, arrow.string())]
        arrays += [self._column(column, block.obs[column.name]) for column in self._schema.columns]
        for name, width in self._schema.obsm.items():
            matrix = np.asarray(block.obsm[name], np.float32)
            arrays += [arrow.array(np.ascontiguousarray(matrix[:, i])) for i in range(width)]
        return arrow.table(dict(zip(flat_columns(self._schema), arrays, strict=True)))

    def _column(self, column: Column, values: NDArray[Any]) -> Any:
        arrow = self._arrow
        if column.kind == "category":
            codes = arrow.array(values.astype(np.int32), mask=values < 0)
            categories = arrow.array(list(column.categories), arrow.string())
            return arrow.DictionaryArray.from_arrays(codes, categories)
        kinds = {"float": arrow.float32(), "bool": arrow.bool_(), "text": arrow.string()}
        return arrow.array(values, kinds[column.kind])


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else str(value)
