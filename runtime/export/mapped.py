"""A finished mapping, read back in bounded memory: its cells, their columns, what it says."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from cellport.runtime.base.hints import hint
from cellport.runtime.columns import CALL, CLUSTER, GROUP_LABEL, LABEL, NOVEL, UMAP
from cellport.runtime.errors import InputError
from cellport.runtime.mapping.colours import LIKE, OTHERS, UNLIKE, call_colours
from cellport.runtime.sources.anndata_layout import matrix_of_cells
from cellport.runtime.sources.annotations import is_array, names_in, read_frame, read_whole
from cellport.runtime.sources.hdf5 import check_inside
from cellport.runtime.sources.memory import frame_of_table, is_anndata
from cellport.runtime.sources.source import Frame, Text
from cellport.runtime.sources.trouble import damaged, readable
from cellport.runtime.sources.watched import open_watched

# rows of a table in memory at a time
WINDOW = 1 << 16
FACTS = "cellport"
# what cells are grouped by where nobody says
USUAL = (CALL, LABEL, GROUP_LABEL, CLUSTER, NOVEL)
# what cells unlike the atlas, and those like it, are called as groups
_NOVEL = {"True": "unlike the atlas", "False": "like the atlas"}


@dataclass(frozen=True, slots=True)
class MappedCells:
    """Cells of a finished mapping, in their order."""

    title: str  # in words: the file
    obs: Frame
    known: Mapping[str, tuple[str, ...]]  # categories of columns that say theirs, in their order
    place: NDArray[np.float32] | None  # [cells, 2] on the atlas's map
    facts: Mapping[str, Any]  # ``uns["cellport"]``
    close: Callable[[], None] = lambda: None

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return self.obs.length

    @property
    def groupings(self) -> tuple[str, ...]:
        """Columns that put cells into groups."""
        texts = [name for name in self.obs.columns if name in self.obs.text_columns]
        return (*texts, *([NOVEL] if NOVEL in self.obs.columns else []))

    def windows(self, *columns: str) -> Iterator[tuple[slice, Text, list[Text]]]:
        """Yield rows, the names of their cells, and some columns as text, '' where missing."""
        whole = {} if self.obs.rows else {one: self.obs.column(one) for one in columns}
        for start in range(0, self.n_cells, WINDOW):
            rows = slice(start, min(start + WINDOW, self.n_cells))
            with readable(self.obs.where):
                read = [
                    whole[one][rows] if one in whole else self._rows(one, rows) for one in columns
                ]
                names = self.obs.index(rows.start, rows.stop)
            yield rows, names, read

    def groups(self, column: str) -> Iterator[tuple[Text, Text]]:
        """Yield names of cells and the group of each, '' for none, by windows."""
        for _, names, (values,) in self.windows(column):
            yield names, _worded(column, values)

    def counted(self, column: str) -> dict[str, int]:
        """Cells of each group, in the order of the categories, without those of none."""
        found: Counter[str] = Counter()
        for _, values in self.groups(column):
            found.update(values.tolist())
        order = self.known.get(column, tuple(found))
        named = [name for name in dict.fromkeys((*order, *found)) if name]
        return {name: found[name] for name in named}

    def colours(self, column: str) -> dict[str, str]:
        """Colour of each group that has one in reports, as ``#rrggbb``; none of other columns."""
        if column == NOVEL:
            return dict(zip(_NOVEL.values(), (UNLIKE, LIKE), strict=True))
        call = CALL if CALL in self.obs.columns else LABEL
        if column not in (CALL, LABEL):
            return {}
        cells = self.counted(call)
        found = call_colours(cells, self.known.get(LABEL, tuple(cells)))
        return {name: found.get(name, OTHERS) for name in self.counted(column)}

    def _rows(self, column: str, rows: slice) -> Text:
        assert self.obs.rows is not None
        return self.obs.rows(column, rows.start, rows.stop)


def _worded(column: str, values: Text) -> Text:
    if column != NOVEL:
        return values
    return np.array([_NOVEL.get(value, "") for value in values.tolist()], object)


def open_mapped(mapped: Any) -> MappedCells:
    """Open an h5ad that ``cellport map`` wrote, or an AnnData that results were added to.

    Raises
    ------
    InputError
        It is neither, or is damaged.
    """
    if is_anndata(mapped):
        return _checked(_of_anndata(mapped))
    path = Path(os.fspath(mapped))
    if not path.is_file():
        raise InputError(f"There is no file {path}.")
    if not h5py.is_hdf5(path):
        raise InputError(
            f"{path} is no .h5ad of cellport map; map to one (-o mapped.h5ad), and give that."
        )
    try:
        file = open_watched(path)
    except OSError as error:
        raise InputError(f"{path} cannot be opened: {error}.") from error
    try:
        return _checked(_of_file(file, str(path)))
    except BaseException:
        file.close()
        raise


def _checked(cells: MappedCells) -> MappedCells:
    if not any(name.startswith("cellport_") for name in cells.obs.columns):
        raise InputError(
            f"{cells.title} has no column of a mapping (cellport_...): give what cellport map "
            "wrote."
        )
    return cells


def _of_file(file: h5py.File, title: str) -> MappedCells:
    with readable(title):
        if "obs" not in file:
            raise InputError(f"{title} has no 'obs'; it is not an AnnData file")
        obs = read_frame(file["obs"], f"{title}, obs", file)
        table = file["obs"]
        known = {
            name: tuple(read_whole(table[name]["categories"]).tolist())
            for name in obs.columns
            if not is_array(table) and not is_array(table[name]) and "categories" in table[name]
        }
        kept = file.get("uns")
        said = kept.get(FACTS) if isinstance(kept, h5py.Group) else None
        facts = _read_said(said) if isinstance(said, h5py.Group) else {}
    place = matrix_of_cells(file, title, partial(check_inside, file.filename), UMAP)
    return MappedCells(title, obs, known, _place(place, obs), facts, file.close)


def _of_anndata(adata: Any) -> MappedCells:
    obs = frame_of_table(adata.obs, "the AnnData, obs")
    known = {
        name: tuple(map(str, adata.obs[name].cat.categories))
        for name in obs.columns
        if hasattr(getattr(adata.obs.get(name), "dtype", None), "categories")
    }
    place = np.asarray(adata.obsm[UMAP], np.float32) if UMAP in adata.obsm else None
    return MappedCells("the AnnData", obs, known, _place(place, obs), adata.uns.get(FACTS, {}))


def _place(place: NDArray[np.float32] | None, obs: Frame) -> NDArray[np.float32] | None:
    if place is not None and place.shape != (obs.length, 2):
        raise damaged(obs.where, f"obsm['{UMAP}'] is not two numbers a cell")
    return place


def _read_said(group: h5py.Group) -> dict[str, Any]:
    """Return a nested mapping as `write_uns` writes it."""
    said: dict[str, Any] = {}
    for name in names_in(group):
        element = group[name]
        if isinstance(element, h5py.Group):
            said[name] = _read_said(element)
        elif element.dtype.kind == "O":
            words = read_whole(element).tolist()
            said[name] = words[0] if element.shape == () else words
        else:
            said[name] = element[()].item() if element.shape == () else element[...].tolist()
    return said


def chosen_groupings(cells: MappedCells, wanted: Sequence[str]) -> tuple[str, ...]:
    """Return columns to write: those that are wanted, or calls, labels, clusters and novelty.

    Raises
    ------
    InputError
        There is no such column, or it holds numbers.
    """
    for name in wanted:
        if name not in cells.obs.columns:
            near = hint(name, cells.obs.columns)
            raise InputError(f"{cells.obs.where} has no column '{name}'. {near}".strip())
        if name not in cells.groupings:
            raise InputError(
                f"{cells.obs.where}['{name}'] holds numbers, and groups have names. Make it text, "
                "or name another column."
            )
    usual = [name for name in USUAL if name in cells.groupings]
    return tuple(dict.fromkeys(wanted or usual))
