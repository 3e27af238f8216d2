from __future__ import annotations

import gzip
import json
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from cellport.runtime.columns import Column, MappedBlock, Schema
from cellport.runtime.errors import MissingDependencyError
from cellport.runtime.mapping.result import Mapping
from cellport.runtime.writers import open_writer

TABLES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet")

# Any text that a file can hold: no lone surrogates, and no NUL, which ends a string in HDF5.
texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=8)
floats = st.floats(width=32, allow_infinity=True, allow_nan=True)


@st.composite
def mappings(draw) -> Mapping:
    n = draw(st.integers(0, 6))
    categories = tuple(draw(st.lists(texts.filter(bool), unique=True, max_size=4)))
    schema = Schema(
        (
            Column("label", "category", categories),
            Column("prob", "float"),
            Column("novel", "bool"),
            Column("label_set", "text"),
        ),
        {"X_cellport": draw(st.integers(1, 3)), "X_cellport_umap": 2},
    )

    def column(dtype, elements):
        return draw(arrays.arrays(dtype, n, elements=elements))

    def text_column():
        return np.array([*draw(st.lists(texts, min_size=n, max_size=n)), None], object)[:-1]

    return Mapping(
        schema,
        text_column(),
        {
            "label": column(np.int32, st.integers(-1, len(categories) - 1)),
            "prob": column(np.float32, floats),
            "novel": column(np.bool_, st.booleans()),
            "label_set": text_column(),
        },
        {
            name: draw(arrays.arrays(np.float32, (n, width), elements=floats))
            for name, width in schema.obsm.items()
        },
        {"cellport": {"n_cells": n}},
    )


def read_h5ad(path: Path):
    import anndata

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Observation names are not unique")
        return anndata.read_zarr(path) if path.suffix == ".zarr" else anndata.read_h5ad(path)


def read_table(path: Path):
    import pandas

    if path.suffix == ".parquet":
        return pandas.read_parquet(path)
    return pandas.read_csv(
        path,
        sep="\t" if ".tsv" in path.name else ",",
        dtype={"cell": str, "label": str, "label_set": str},
        keep_default_na=False,
        na_values={"prob": [""]},
        lineterminator="\n",
    )


@settings(deadline=None, max_examples=40)
@pytest.mark.parametrize("form", [".h5ad", ".zarr"])
@given(mapping=mappings())
def test_anndata_reads_back_every_value(form, mapping, tmp_path_factory):
    path = tmp_path_factory.mktemp("anndata") / f"out{form}"
    mapping.write(path)
    found = read_h5ad(path)
    assert found.shape == (mapping.n_cells, 0)
    assert list(found.obs_names) == mapping.cell_names.tolist()
    assert list(found.obs) == list(mapping.obs)
    codes = found.obs["label"].cat
    assert tuple(codes.categories) == mapping.schema.columns[0].categories
    np.testing.assert_array_equal(codes.codes, mapping.obs["label"])
    for name in ("prob", "novel", "label_set"):
        np.testing.assert_array_equal(found.obs[name].to_numpy(), mapping.obs[name])
        # text is of a type of its own since pandas 3
        if name != "label_set":
            assert found.obs[name].dtype == mapping.obs[name].dtype
    for name, values in mapping.obsm.items():
        np.testing.assert_array_equal(found.obsm[name], values)
        assert found.obsm[name].dtype == np.float32


def as_told(form: str, text: str) -> str:
    """A text as a table holds it: spreadsheets run what begins as a formula, unless told not to."""
    number = text[1:].replace(".", "").translate(dict.fromkeys(range(48, 58))) == ""
    formula = text[:1] in ("=", "@", "\t", "\r") or (text[:1] in ("+", "-") and not number)
    return f"'{text}" if formula and form != ".parquet" else text


@settings(deadline=None, max_examples=30)
@pytest.mark.parametrize("form", TABLES)
@given(mapping=mappings())
def test_pandas_reads_back_every_value(form, mapping, tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / f"out{form}"
    mapping.write(path)
    found = read_table(path)
    assert list(found) == ["cell", *mapping.to_dataframe()]
    assert found["cell"].tolist() == [as_told(form, name) for name in mapping.cell_names]
    missing = None if form == ".parquet" else ""
    expected = [missing if label is None else as_told(form, label) for label in mapping["label"]]
    assert found["label"].astype(object).where(found["label"].notna(), None).tolist() == expected
    assert found["label_set"].tolist() == [as_told(form, one) for one in mapping["label_set"]]
    assert found["novel"].tolist() == mapping["novel"].tolist()
    np.testing.assert_array_equal(found["prob"].to_numpy(np.float32), mapping["prob"])
    for name, values in mapping.obsm.items():
        columns = [f"{name}_{i}" for i in range(values.shape[1])]
        np.testing.assert_array_equal(found[columns].to_numpy(np.float32), values)


@pytest.mark.parametrize("form", [".h5ad", ".zarr"])
def test_uns_comes_back(form, tmp_path, mapping):
    mapping.write(tmp_path / f"out{form}")
    found = read_h5ad(tmp_path / f"out{form}").uns["cellport"]
    assert json.loads(found.pop("records")) == [{"file": "a/b", "n": 1}]
    assert found.pop("missing").tolist() == ["ACTB", "LYZ"]
    assert found.pop("numbers").tolist() == [1, 2, 3]
    assert found.pop("empty").tolist() == []
    assert found == {
        "atlas": "lung é",
        "n_cells": 7,
        "share": 0.5,
        "ok": True,
        "rules": {"symbol": 3},
        "numpy": 2,
        "with_slash": "kept",
    }


def test_h5ad_holds_counts_when_asked(tmp_path, mapping, blocks):
    genes = np.array(["ACTB", "ACTB", "βeta"], object)
    path = tmp_path / "out.h5ad"
    with open_writer(path, mapping.schema, mapping.n_cells, counts_genes=genes) as writer:
        for block in blocks(3):
            writer.write(block)
        writer.close({})
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Variable names are not unique")
        found = read_h5ad(path)
    expected = np.zeros((7, 3))
    expected[np.arange(7), np.arange(7) % 3] = np.arange(1, 8)
    np.testing.assert_array_equal(found.X.toarray(), expected)
    assert found.X.dtype == np.float32
    assert found.var_names.tolist() == genes.tolist()


def test_h5ad_of_counts_needs_them_in_every_block(tmp_path, mapping):
    genes = np.array(["ACTB"], object)
    with (
        open_writer(tmp_path / "out.h5ad", mapping.schema, 7, counts_genes=genes) as writer,
        pytest.raises(ValueError, match="needs its counts"),
    ):
        writer.write(MappedBlock(0, mapping.cell_names, mapping.obs, mapping.obsm))


def test_h5ad_category_codes_take_the_smallest_type_that_holds_them(tmp_path):
    import h5py

    for n, dtype in ((1, np.int8), (128, np.int8), (129, np.int16), (40000, np.int32)):
        names = tuple(f"type {i}" for i in range(n))
        schema = Schema((Column("label", "category", names),), {})
        codes = np.array([-1, n - 1], np.int32)
        cells = np.array(["a", "b"], object)
        Mapping(schema, cells, {"label": codes}, {}, {}).write(tmp_path / "out.h5ad")
        with h5py.File(tmp_path / "out.h5ad") as file:
            found = file["obs/label/codes"]
            assert found.dtype == dtype
            assert found[()].tolist() == codes.tolist()


def test_text_quotes_only_what_needs_it(tmp_path, mapping):
    mapping.write(tmp_path / "out.csv")
    lines = (tmp_path / "out.csv").read_text().split("\n")
    assert lines[0].startswith("cell,cellport_label,none,cellport_prob,cellport_novel,")
    assert lines[1].startswith("a,T cell,,0.1,True,x;y,")
    assert lines[2].startswith('b,"B ""naïve"", memory",,1.0,False,,')
    assert lines[3].startswith("a,βeta,,,True,é,")
    assert lines[4].startswith('"ü,1",,,1e-30,False,"a,b",')


def test_the_same_results_give_the_same_gzip_file(tmp_path, mapping):
    mapping.write(tmp_path / "a.csv.gz")
    mapping.write(tmp_path / "b.csv.gz")
    mapping.write(tmp_path / "c.csv")
    assert (tmp_path / "a.csv.gz").read_bytes() == (tmp_path / "b.csv.gz").read_bytes()
    assert (
        gzip.decompress((tmp_path / "a.csv.gz").read_bytes()) == (tmp_path / "c.csv").read_bytes()
    )


def test_parquet_holds_uns_and_dictionaries(tmp_path, mapping):
    import pyarrow
    import pyarrow.parquet

    mapping.write(tmp_path / "out.parquet")
    file = pyarrow.parquet.read_schema(tmp_path / "out.parquet")
    metadata = pyarrow.parquet.read_metadata(tmp_path / "out.parquet").metadata
    assert json.loads(metadata[b"cellport"])["cellport"]["numpy"] == 2
    assert file.field("cellport_label").type == pyarrow.dictionary(
        pyarrow.int32(), pyarrow.string()
    )


def test_parquet_gathers_small_blocks_into_row_groups(tmp_path, mapping, blocks, monkeypatch):
    import pyarrow.parquet

    from cellport.runtime.writers import parquet

    monkeypatch.setattr(parquet, "_ROW_GROUP_CELLS", 4)
    with open_writer(tmp_path / "out.parquet", mapping.schema, 7) as writer:
        for block in blocks(2):
            writer.write(block)
        writer.close({})
    metadata = pyarrow.parquet.read_metadata(tmp_path / "out.parquet")
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [4, 3]


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_zarr_writes_each_chunk_once(tmp_path, mapping, blocks, monkeypatch, size):
    import zarr

    monkeypatch.setattr("cellport.runtime.writers.zarr_store.CHUNK_CELLS", 3)
    written = []
    put = zarr.Array.__setitem__

    def noted(array, rows, values):
        if array.name.endswith("X_cellport"):
            written.append((rows.start, rows.stop))
        put(array, rows, values)

    monkeypatch.setattr(zarr.Array, "__setitem__", noted)
    with open_writer(tmp_path / "out.zarr", mapping.schema, mapping.n_cells) as writer:
        for block in blocks(size):
            writer.write(block)
        writer.close(mapping.uns)
    starts = [start for start, _ in written]
    assert all(start % 3 == 0 for start in starts)
    assert [0, *(stop for _, stop in written)] == [*starts, 7]
    np.testing.assert_array_equal(
        read_h5ad(tmp_path / "out.zarr").obsm["X_cellport"], mapping.obsm["X_cellport"]
    )


@pytest.mark.parametrize("installed", [None, "2.18.0"])
def test_zarr_without_zarr_3_says_so(tmp_path, mapping, monkeypatch, installed):
    if installed is None:
        monkeypatch.setitem(sys.modules, "zarr", None)
    else:
        monkeypatch.setattr("importlib.metadata.version", lambda name: installed)
    with pytest.raises(MissingDependencyError, match=r"Writing \.zarr needs zarr"):
        mapping.write(tmp_path / "out.zarr")
    assert list(tmp_path.iterdir()) == []


def test_parquet_without_pyarrow_names_the_extra(tmp_path, mapping, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingDependencyError, match=r"cellport\[parquet\]"):
        mapping.write(tmp_path / "out.parquet")
    assert list(tmp_path.iterdir()) == []


def test_writers_are_imported_without_the_libraries_of_others():
    code = (
        "import sys, cellport.runtime.mapping.result; "
        "print(*{'pandas', 'anndata', 'pyarrow', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/"
    )
    assert done.stdout.split() == []
