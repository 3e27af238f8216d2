"""The results of mapping held in memory: arrays by name, tables, files."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.columns import Column, MappedBlock, Schema
from cellport.runtime.errors import InputError, MissingDependencyError
from cellport.runtime.mapping.colours import column_colours
from cellport.runtime.mapping.gather.gatherer import Gatherer
from cellport.runtime.writers import open_writer
from cellport.runtime.writers.flat import CELL, no_cells


@dataclass(frozen=True, slots=True)
class Mapping:
    """Results for all cells of a query.

    ``mapping["cellport_label"]`` and ``mapping["X_cellport"]`` give the arrays by name.

    Attributes
    ----------
    schema
        Names and types of the results.
    cell_names
        [n] object array of str.
    obs
        One [n] array a column, as in `MappedBlock`: category columns hold codes.
    obsm
        One float32 [n, width] array a matrix.
    uns
        What holds for the whole query: atlas, versions, gene matching, warnings.
    gathered
        What was summed up on the way, by name.
    """

    schema: Schema
    cell_names: NDArray[np.object_]
    obs: dict[str, NDArray[Any]]
    obsm: dict[str, NDArray[np.float32]]
    uns: dict[str, Any]
    gathered: dict[str, Gatherer] = field(default_factory=dict)

    @classmethod
    def from_blocks(
        cls, schema: Schema, blocks: Iterable[MappedBlock], uns: dict[str, Any] | None = None
    ) -> Mapping:
        """Join blocks of consecutive cells."""
        parts = [no_cells(schema), *blocks]
        return cls(
            schema,
            np.concatenate([part.cell_names for part in parts]),
            {
                column.name: np.concatenate([part.obs[column.name] for part in parts])
                for column in schema.columns
            },
            {name: np.concatenate([part.obsm[name] for part in parts]) for name in schema.obsm},
            uns or {},
        )

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return len(self.cell_names)

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Return a column [n] or matrix [n, width] by its name.

        Category columns come as an object array of str, with None where missing.
        """
        if name in self.obsm:
            return self.obsm[name]
        if name not in self.obs:
            known = ", ".join([*self.obs, *self.obsm])
            raise KeyError(f"there is no result '{name}'; there are {known}")
        column = next(column for column in self.schema.columns if column.name == name)
        return _decoded(column, self.obs[name])

    def to_dataframe(self) -> Any:
        """Return a pandas DataFrame: the ``obs`` columns, then a column a matrix dimension.

        Raises
        ------
        MissingDependencyError
            pandas is not installed.
        """
        frame = self._obs_frame()
        for name in self.schema.obsm:
            frame[self.schema.flat_names(name)] = self.obsm[name]
        return frame

    def to_anndata(self, onto: Any = None) -> Any:
        """Return the results as AnnData.

        Parameters
        ----------
        onto
            The query as AnnData, to which the results are added in place; None makes a new
            AnnData without genes.

        Raises
        ------
        InputError
            `onto` does not hold the mapped cells in their order.
        MissingDependencyError
            anndata is not installed.
        """
        frame = self._obs_frame().rename_axis(None)
        if onto is None:
            try:
                from anndata import AnnData
            except ModuleNotFoundError as error:
                raise _missing("anndata") from error
            onto = AnnData(obs=frame)
        elif list(onto.obs_names) != self.cell_names.tolist():
            raise InputError(
                "The AnnData does not hold the mapped cells in their order; give the one that "
                "was mapped."
            )
        for name in frame:
            onto.obs[name] = frame[name].array
        onto.obsm.update(self.obsm)
        onto.uns.update(self._uns())
        return onto

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the results to ``.h5ad``, ``.zarr``, ``.csv``, ``.tsv`` or ``.parquet``.

        Raises
        ------
        OutputError
            The file cannot be written there, or not in that format.
        """
        with open_writer(path, self.schema, self.n_cells) as writer:
            writer.write(MappedBlock(0, self.cell_names, self.obs, self.obsm))
            writer.close(self._uns())

    def _uns(self) -> dict[str, Any]:
        """Return what holds for the whole query, and the colours of its categories."""
        calls = self.schema.categories(self.schema.call)
        by_call = np.zeros(0, np.int64)
        if calls:
            codes = self.obs[self.schema.call]
            by_call = np.bincount(codes[codes >= 0], minlength=len(calls))
        return self.uns | column_colours(self.schema, by_call.tolist())

    def _obs_frame(self) -> Any:
        try:
            import pandas
        except ModuleNotFoundError as error:
            raise _missing("pandas") from error
        columns = {
            column.name: pandas.Categorical.from_codes(self.obs[column.name], column.categories)
            if column.kind == "category"
            else self.obs[column.name]
            for column in self.schema.columns
        }
        return pandas.DataFrame(columns, index=pandas.Index(self.cell_names, name=CELL))


def _decoded(column: Column, values: NDArray[Any]) -> NDArray[Any]:
    if column.kind != "category":
        return values
    labels: NDArray[np.object_] = np.array([*column.categories, None], object)[values]
    return labels


def _missing(package: str) -> MissingDependencyError:
    return MissingDependencyError(f"This needs {package}: pip install {package}.")
