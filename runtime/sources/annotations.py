"""Reading ``obs`` and ``var`` as AnnData has stored them over the years, from HDF5 or zarr."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from cellport.runtime.errors import InputError
from cellport.runtime.sources.claims import check_attribute, check_extent, check_values
from cellport.runtime.sources.csr_checks import MAX_GENES
from cellport.runtime.sources.source import Frame, Text
from cellport.runtime.sources.trouble import damaged, readable

if TYPE_CHECKING:
    from numpy.typing import NDArray

# what attributes of AnnData are made of; booleans are of an enumeration
_PLAIN_TYPES = (
    h5py.h5t.STRING,
    h5py.h5t.INTEGER,
    h5py.h5t.FLOAT,
    h5py.h5t.ENUM,
    h5py.h5t.REFERENCE,
)
# Elements of h5py and zarr; both are typed too loosely for more.
Element = Any


def is_array(element: Element) -> bool:
    """Tell arrays from groups, for h5py and zarr alike."""
    return hasattr(element, "shape") and hasattr(element, "dtype")


def names_in(group: Element) -> list[str]:
    """Return the names of what a group holds, without those that are no text in damaged files."""
    return [name for name in group if isinstance(name, str)]


def attribute_value(element: Element, name: str) -> Any:
    """Return an attribute as it is stored, None when it is not there.

    The HDF5 library crashes on attributes of damaged types that it takes for lists of something.
    """
    if isinstance(element, h5py.HLObject):
        if not h5py.h5a.exists(element.id, name.encode()):
            return None
        kind = h5py.h5a.open(element.id, name.encode()).get_type()
        if kind.get_class() not in _PLAIN_TYPES:
            raise InputError(f"the attribute '{name}' of {element.name} is of a type that none has")
        if kind.get_class() == h5py.h5t.STRING and kind.is_variable_str():
            check_attribute(element, name)
    elif name not in element.attrs:
        return None
    return element.attrs[name]


def attribute(element: Element, name: str) -> str:
    """Return a text attribute, '' when it is not there."""
    value = attribute_value(element, name)
    if value is None:
        return ""
    return value.decode() if isinstance(value, bytes) else str(value)


def as_text(values: NDArray[Any]) -> Text:
    """Return any one-dimensional array as an object array of str, missing values as ''."""
    if values.dtype.kind == "S":
        values = values.astype(object)
    if values.dtype.kind == "f":
        words = ["" if value != value else str(value) for value in values.tolist()]
    else:
        words = _words(values.tolist())
    return np.array(words, object)


def _words(values: list[Any]) -> list[str]:
    try:
        joined = b"\n".join(values)
    except TypeError:  # not bytes alone
        return [_word(value) for value in values]
    # names of cells and genes, hundred thousands of them, hardly ever hold anything else
    plain = joined.isascii() and b"\0" not in joined
    words = joined.decode().split("\n") if plain else []
    return words if len(words) == len(values) else [_word(value) for value in values]


def _word(value: Any) -> str:
    if isinstance(value, bytes):
        # a text ends where its first byte of zero is
        return value.partition(b"\0")[0].decode("utf-8", "replace")
    if value is None or value != value:
        return ""
    return str(value)


def _values(array: Element, rows: Any) -> NDArray[Any]:
    """Read rows of an array that claims no more than its file can hold."""
    check_values(array)
    return np.asarray(array[rows])


def read_text(element: Element, start: int, stop: int, table: Element = None) -> Text:
    """Read the rows ``start:stop`` of a column of any AnnData encoding, as text.

    Categories, nullable numbers and strings, fixed-length bytes and plain arrays are known.
    `table` is the group of the column, where anndata 0.7 put categories apart.
    """
    if is_array(element):
        values = _values(element, slice(start, stop))
        if "categories" in element.attrs:
            return _from_codes(values, _categories_apart(element, table))
        return as_text(values)
    if "codes" in element and "categories" in element:
        codes = _values(element["codes"], slice(start, stop))
        return _from_codes(codes, read_whole(element["categories"]))
    if "values" in element and "mask" in element:
        values = as_text(_values(element["values"], slice(start, stop)))
        values[_values(element["mask"], slice(start, stop)).astype(bool)] = ""
        return values
    encoding = attribute(element, "encoding-type")
    raise InputError(f"the encoding '{encoding}' of {element.name} is not known")


def _categories_apart(codes: Element, table: Element) -> Text:
    """Read the categories to which anndata 0.7 wrote a reference (HDF5) or a path (zarr)."""
    place = attribute_value(codes, "categories")
    if isinstance(place, bytes):
        place = place.decode("utf-8", "replace")
    apart = table[place] if isinstance(place, str) else codes.file[place]
    return read_whole(apart)


def read_whole(element: Element, table: Element = None) -> Text:
    """Read all rows of a column as text; `table` as in `read_text`."""
    if is_array(element) and element.shape == ():
        # anndata 0.6 wrote the only category of a column without an axis
        return as_text(_values(element, ()).reshape(1))
    return read_text(element, 0, row_count(element), table)


def row_count(element: Element) -> int:
    """Return how many rows a column has, whatever its encoding."""
    if not is_array(element):
        for part in ("codes", "values"):
            if part in element:
                check_extent(element[part])
                return int(element[part].shape[0])
        raise InputError(f"{element.name} is neither a column nor an array")
    if len(element.shape) != 1:
        raise InputError(f"{element.name} has {len(element.shape)} axes instead of one")
    check_extent(element)
    return int(element.shape[0])


def _from_codes(codes: NDArray[Any], categories: Text) -> Text:
    if codes.dtype.kind not in "iu":
        raise InputError("codes of categories are not integers")
    codes = codes.astype(np.int64)
    if codes.size and (codes.min() < -1 or codes.max() >= len(categories)):
        raise InputError("a code points beyond the categories")
    text: Text = np.append(categories, np.array([""], dtype=object))[codes]
    return text


def _holds_text(element: Element) -> bool:
    if is_array(element):
        return "categories" in element.attrs or element.dtype.kind in "OSTU"
    if "codes" in element:
        return _holds_text(element["categories"])
    return "values" in element and _holds_text(element["values"])


def read_frame(element: Element, where: str, root: Element) -> Frame:
    """Open a stored ``obs`` or ``var``.

    In files from before anndata 0.7 it is a compound dataset, with categories in ``uns``.
    """
    with readable(where):
        if is_array(element):
            return _frame_of_records(element, where, root)
        return _frame_of_group(element, where)


def _frame_of_group(group: Element, where: str) -> Frame:
    index = attribute(group, "_index") or ("_index" if "_index" in group else "index")
    if index not in group:
        raise damaged(where, f"its index '{index}' is not there")
    order = attribute_value(group, "column-order")
    names = [str(name) for name in ([] if order is None else order) if str(name) in group]
    hidden = {index, "__categories", *names}
    names += [name for name in names_in(group) if name not in hidden]
    column = group[index]
    return Frame(
        where=where,
        length=row_count(column),
        index=lambda start, stop: read_text(column, start, stop, group),
        columns=tuple(names),
        text_columns=tuple(name for name in names if _holds_text(group[name])),
        column=lambda name: read_whole(group[name], group),
        rows=lambda name, start, stop: read_text(group[name], start, stop, group),
    )


def _frame_of_records(table: Element, where: str, root: Element) -> Frame:
    fields = table.dtype.names
    if not fields:
        raise InputError(
            f"{where} is not a table that cellport knows; open the file with a current anndata "
            "and write it again"
        )
    check_extent(table)
    index = next((name for name in ("index", "_index") if name in fields), fields[0])
    columns = tuple(name for name in fields if name != index)

    def categories(name: str) -> Element | None:
        return root.get(f"uns/{name}_categories")

    def column(name: str) -> Text:
        values, known = _values(table, name), categories(name)
        return as_text(values) if known is None else _from_codes(values, read_whole(known))

    return Frame(
        where=where,
        length=int(table.shape[0]),
        index=lambda start, stop: as_text(_values(table, slice(start, stop))[index]),
        columns=columns,
        text_columns=tuple(
            n for n in columns if categories(n) is not None or table.dtype[n].kind in "OS"
        ),
        column=column,
    )


def check_gene_count(where: str, n_genes: int) -> None:
    """Refuse numbers of genes that no real file has, before names are read into memory."""
    if n_genes > MAX_GENES:
        raise damaged(where, f"it claims {n_genes} genes; at most {MAX_GENES} are believed")
