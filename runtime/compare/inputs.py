"""Results of mapping as tables: cells, or counts that were summed up while mapping."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.errors import InputError
from cellport.runtime.mapping.gather.pseudobulk import LABEL_PROB, MEASURED, PSEUDOBULK
from cellport.runtime.sources.memory import is_anndata

if TYPE_CHECKING:
    import pandas as pd

_TEXT = {".csv": ",", ".csv.gz": ",", ".tsv": "\t", ".tsv.gz": "\t"}
_ENDING = ".pseudobulk.h5ad"


@dataclass(frozen=True, slots=True)
class Summed:
    """Counts summed up by groups of cells, as `cellport map --pseudobulk` writes them."""

    title: str  # in words: the file
    groups: pd.DataFrame  # a row a group: the columns, and ``cells``
    columns: tuple[str, ...]  # by which cells were grouped
    genes: NDArray[np.object_]  # of all its queries
    counts: NDArray[np.int64]  # [groups, genes]
    # sums of the labels' probabilities, [groups, labels]; None without probabilities
    probabilities: pd.DataFrame | None


@dataclass(frozen=True, slots=True)
class Result:
    """One result of mapping."""

    title: str
    stem: str  # what a sample is called that the whole file is of
    cells: pd.DataFrame | None  # obs, a row a cell; None for summed counts alone
    summed: Summed | None  # where they were written, also beside the cells


def read_result(given: Any) -> Result:
    """Read a result: a file, a folder of Parquet files, or an AnnData.

    Raises
    ------
    InputError
        It is none.
    """
    if is_anndata(given):
        return Result("the AnnData object", "AnnData", _checked(given.obs, "the AnnData"), None)
    path = Path(os.fspath(given))
    if not path.exists():
        raise InputError(f"{path} does not exist.")
    name = path.name.lower()
    if name.endswith(".h5ad"):
        return _read_h5ad(path)
    beside = _beside(path)
    if path.is_dir() or name.endswith(".parquet"):
        import pandas as pd

        frame = pd.read_parquet(path)
        frame = frame.set_index("cell") if "cell" in frame else frame
        return Result(str(path), _stem(path), _checked(frame, str(path)), beside)
    for ending, separator in _TEXT.items():
        if name.endswith(ending):
            import pandas as pd

            frame = pd.read_csv(path, sep=separator, index_col=0, low_memory=False)
            return Result(str(path), _stem(path), _checked(frame, str(path)), beside)
    raise InputError(
        f"{path} is no result of cellport map: give an .h5ad, .csv, .tsv or .parquet that it wrote."
    )


def read_samples(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a table of samples, a line each, their names in the first column.

    Raises
    ------
    InputError
        It is no table, or names a sample twice.
    """
    import pandas as pd

    separator = "\t" if str(path).lower().endswith((".tsv", ".tsv.gz", ".txt")) else ","
    try:
        table = pd.read_csv(path, sep=separator, dtype=str, index_col=0, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise InputError(f"The table of samples {path} cannot be read: {error}.") from None
    twice = table.index[table.index.duplicated()]
    if len(twice):
        raise InputError(f"{path} names the sample '{twice[0]}' twice; give each a line.")
    return table


def _read_h5ad(path: Path) -> Result:
    import anndata

    try:
        data = anndata.read_h5ad(path, backed="r")
    except Exception as error:
        raise InputError(f"{path} cannot be read as .h5ad: {error}.") from error
    try:
        if PSEUDOBULK in data.uns:
            return Result(str(path), _stem(path), None, _summed(str(path), data))
        return Result(str(path), _stem(path), _checked(data.obs, str(path)), _beside(path))
    finally:
        data.file.close()


def _beside(path: Path) -> Summed | None:
    place = path.with_name(_stem(path) + _ENDING)
    return _read_h5ad(place).summed if place.is_file() else None


def _summed(title: str, data: Any) -> Summed:
    said = data.uns[PSEUDOBULK]
    measured = data.var[MEASURED].to_numpy(bool)
    prob = None
    if LABEL_PROB in data.obsm:
        import pandas as pd

        prob = pd.DataFrame(np.asarray(data.obsm[LABEL_PROB]), columns=list(said["labels"]))
    return Summed(
        title,
        data.obs,
        tuple(said["columns"]),
        data.var_names.to_numpy(object)[measured],
        np.asarray(data.X[:], np.int64)[:, measured],
        prob,
    )


def _checked(frame: pd.DataFrame, title: str) -> pd.DataFrame:
    if not any(str(name).startswith("cellport_") for name in frame.columns):
        raise InputError(
            f"{title} has no column of a mapping (cellport_...): give what cellport map wrote."
        )
    return frame


def _stem(path: Path) -> str:
    name = path.name
    for ending in (_ENDING, ".h5ad", *_TEXT, ".parquet"):
        if name.lower().endswith(ending):
            return name[: len(name) - len(ending)]
    return name


def text_of(column: pd.Series) -> NDArray[np.object_]:
    """Return a column as text, object [rows] of str, missing values as ''."""
    import pandas as pd

    if column.dtype == bool:
        return np.where(column.to_numpy(), "yes", "no").astype(object)
    if isinstance(column.dtype, pd.CategoricalDtype):
        names = np.append(text_of(pd.Series(column.cat.categories)), "").astype(object)
        return np.asarray(names[column.cat.codes.to_numpy()])
    values = column.to_numpy(object)
    return np.array(
        ["" if value is None or value != value else str(value) for value in values], object
    )
