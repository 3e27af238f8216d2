"""Whatever tool wrote a file: it is mapped to the answers of the clean one, or truly refused.

Hypothesis draws how the same cells are stored: container, encoding, types, order, names, layers,
decoys beside the counts, other features beside the genes. Nothing may be answered wrongly in
silence, and nothing may crash.

    CELLPORT_DRAWS=50000 pytest tests/test_any_file.py
"""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.io
import scipy.sparse as sp
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cellport.runtime.errors import InputError
from cellport.runtime.mapping.atlas import Atlas, load_atlas
from cellport.runtime.mapping.result import Mapping

FROZEN = Path(__file__).resolve().parent / "data" / "format1"
Matrix = Any
# of 1,000 any two choices come together, with the two examples below, and nine in ten of any three
DRAWS = int(os.environ.get("CELLPORT_DRAWS", "1000"))
# a zarr store takes twenty times as long to write as the others
CONTAINERS = (*("h5ad", "memory", "10x h5", "10x folder") * 2, "zarr")


@dataclass(frozen=True)
class Cells:
    """Counts of cells, with two names for each gene."""

    counts: sp.csr_matrix
    symbols: np.ndarray
    ids: np.ndarray


@cache
def atlas() -> Atlas:
    return load_atlas(FROZEN / "atlas.cellport")


@cache
def query() -> Cells:
    features = pd.read_csv(FROZEN / "query/features.tsv.gz", sep="\t", header=None)
    counts = sp.csr_matrix(scipy.io.mmread(FROZEN / "query/matrix.mtx.gz").T, dtype=np.float32)
    symbols, ids = features[1].to_numpy(object), features[0].to_numpy(object)
    usual = [cell for cell in range(counts.shape[0]) if cell not in (7, 11)]
    return Cells(counts[usual], symbols, ids)


# what is beside the counts, made of them


def _scaled_to(counts: sp.csr_matrix, total: float) -> sp.csr_matrix:
    sums = np.maximum(np.asarray(counts.sum(axis=1)).ravel(), 1)
    return sp.csr_matrix(sp.diags(total / sums) @ counts)


def _log(counts: sp.csr_matrix) -> Matrix:
    return _scaled_to(counts, 1e4).log1p().astype(np.float32)


def _normalised(counts: sp.csr_matrix) -> Matrix:
    return _scaled_to(counts, 1e4).astype(np.float32)


def _rounded(counts: sp.csr_matrix) -> Matrix:
    return np.round(_scaled_to(counts, 1e6).toarray()).astype(np.float32)


def _seen(counts: sp.csr_matrix) -> Matrix:
    return (counts > 0).astype(np.float32)


def _ranks(counts: sp.csr_matrix) -> Matrix:
    order = np.argsort(np.argsort(counts.toarray(), axis=1, kind="stable"), axis=1, kind="stable")
    return (order + 1).astype(np.float32)


def _scaled(counts: sp.csr_matrix) -> Matrix:
    log = _log(counts).toarray()
    return ((log - log.mean(0)) / (log.std(0) + 0.1)).astype(np.float32)


def _roots(counts: sp.csr_matrix) -> Matrix:
    return counts.sqrt().astype(np.float32)


DECOYS: dict[str, Callable[[sp.csr_matrix], Matrix]] = {
    "log": _log,
    "normalised": _normalised,
    "rounded": _rounded,
    "seen": _seen,
    "ranks": _ranks,
    "scaled": _scaled,
    "roots": _roots,
}


@dataclass(frozen=True)
class Drawn:
    """How a file is written."""

    container: str
    seed: int  # of which cells and genes, and in what order
    counts_in: str
    decoys: tuple[str, ...]
    encoding: str
    dtype: str
    names: str
    antibodies: bool
    compressed: bool
    nearly: bool  # counts but for rounding


@st.composite
def drawn(draw: st.DrawFn) -> Drawn:
    container = draw(st.sampled_from(CONTAINERS))
    tenx = container.startswith("10x")
    decoys = draw(st.lists(st.sampled_from(list(DECOYS)), max_size=2, unique=True))
    dtype = draw(st.sampled_from(["float32", "float64", "int32", "int64", "uint32"]))
    return Drawn(
        container,
        draw(st.integers(0, 2**32 - 1)),
        "X" if tenx else draw(st.sampled_from(["X", "counts", "my counts", "raw", "nowhere"])),
        () if tenx else tuple(decoys),
        draw(st.sampled_from(["csr", "csc", "dense"])),
        dtype,
        draw(st.sampled_from(["symbols", "ids", "both"] if tenx else list(NAMES))),
        draw(st.booleans()),
        draw(st.booleans()),
        draw(st.booleans()) and dtype.startswith("float") and not tenx,
    )


# names of the genes: index and columns of var


def _versioned(ids: np.ndarray) -> list[str]:
    return [f"{one}.{1 + n % 15}" if one.startswith("ENSG0") else one for n, one in enumerate(ids)]


def _junk(n: int) -> list[str]:
    return [f"row {i}" for i in range(n)]


NAMES: dict[str, Callable[[np.ndarray, np.ndarray], pd.DataFrame]] = {
    "symbols": lambda symbols, ids: pd.DataFrame(index=symbols),
    "ids": lambda symbols, ids: pd.DataFrame(index=ids),
    "versioned": lambda symbols, ids: pd.DataFrame(index=_versioned(ids)),
    "both": lambda symbols, ids: pd.DataFrame({"gene_ids": ids}, index=symbols),
    "column": lambda symbols, ids: pd.DataFrame({"gene_symbols": symbols}, index=_junk(len(ids))),
    "column of ids": lambda symbols, ids: pd.DataFrame({"ensembl": ids}, index=_junk(len(ids))),
    "category": lambda symbols, ids: pd.DataFrame(
        {"name": pd.Categorical(symbols)}, index=_junk(len(ids))
    ),
    "genome": lambda symbols, ids: pd.DataFrame(index=[f"GRCh38_{one}" for one in symbols]),
}


def _stored(how: Drawn, matrix: Matrix, dtype: str) -> Matrix:
    dense = matrix.toarray() if sp.issparse(matrix) else np.asarray(matrix)
    dense = dense.astype(dtype if np.array_equal(dense, np.round(dense)) else "float32")
    if how.encoding == "dense":
        return dense
    return sp.csr_matrix(dense) if how.encoding == "csr" else sp.csc_matrix(dense)


def cells_of(how: Drawn) -> Cells:
    rng, whole = np.random.default_rng(how.seed), query()
    n_cells, n_genes = whole.counts.shape
    some = rng.permutation(n_cells)[: rng.integers(25, n_cells + 1)]
    genes = rng.permutation(n_genes)[: rng.integers(int(0.8 * n_genes), n_genes + 1)]
    return Cells(whole.counts[some][:, genes], whole.symbols[genes], whole.ids[genes])


def with_antibodies(how: Drawn, cells: Cells) -> tuple[Cells, np.ndarray]:
    """Antibodies of the name of genes, in front; and which features are what."""
    kinds = np.array(["Gene Expression"] * len(cells.ids), object)
    if not how.antibodies:
        return cells, kinds
    tags = np.random.default_rng(how.seed).poisson(300, (cells.counts.shape[0], 3))
    counts = sp.hstack([sp.csr_matrix(tags, dtype=np.float32), cells.counts], format="csr")
    symbols = np.concatenate([cells.symbols[:3], cells.symbols])
    ids = np.concatenate([np.array(["ab1", "ab2", "ab3"], object), cells.ids])
    return Cells(counts, symbols, ids), np.concatenate([["Antibody Capture"] * 3, kinds])


def anndata_of(how: Drawn) -> anndata.AnnData:
    cells, kinds = with_antibodies(how, cells_of(how))
    counts = cells.counts
    if how.nearly:
        off = 1 + np.random.default_rng(how.seed).uniform(-3e-7, 3e-7, len(counts.data))
        counts = sp.csr_matrix((counts.data * off, counts.indices, counts.indptr), counts.shape)
        stored: Matrix = counts.astype(how.dtype)
        stored = stored.toarray() if how.encoding == "dense" else stored.asformat(how.encoding)
    else:
        stored = _stored(how, counts, how.dtype)
    var = NAMES[how.names](cells.symbols, cells.ids)
    if how.antibodies:
        var["feature_types"] = pd.Categorical(kinds)
    places = {f"decoy {name}": DECOYS[name](cells.counts) for name in how.decoys}
    x: Matrix = _log(cells.counts)
    if how.counts_in in ("X", "nowhere"):
        x = stored if how.counts_in == "X" else x
    elif places:
        x = places.pop(next(iter(places)))
    obs = pd.DataFrame(index=[f"cell{i}" for i in range(counts.shape[0])])
    obs["kind"] = pd.Categorical(["a", "b"] * (len(obs) // 2) + ["a"] * (len(obs) % 2))
    obs["number"] = np.arange(len(obs))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # names of antibodies are not unique
        made = anndata.AnnData(x if sp.issparse(x) and x is stored else _stored(how, x, "float32")
                               if x is not stored else x, obs=obs, var=var)  # fmt: skip
        for name, matrix in places.items():
            made.layers[name] = _stored(how, matrix, "float32")
        if how.counts_in in ("counts", "my counts"):
            made.layers[how.counts_in] = stored
        if how.counts_in == "raw":
            made.raw = anndata.AnnData(stored, obs=obs, var=var)
    return made


def write(how: Drawn, folder: Path) -> Any:
    if how.container.startswith("10x"):
        return _write_tenx(how, folder)
    made = anndata_of(how)
    if how.container == "memory":
        return made
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if how.container == "zarr":
            made.write_zarr(folder / "query.zarr")
            return folder / "query.zarr"
        made.write_h5ad(folder / "query.h5ad", compression="gzip" if how.compressed else None)
    return folder / "query.h5ad"


def _write_tenx(how: Drawn, folder: Path) -> Path:
    cells, kinds = with_antibodies(how, cells_of(how))
    ids = cells.ids if how.names != "symbols" else np.array(_junk(len(cells.ids)), object)
    symbols = cells.symbols if how.names != "ids" else np.array(_junk(len(cells.ids)), object)
    barcodes = [f"cell{i}" for i in range(cells.counts.shape[0])]
    matrix = sp.csc_matrix(cells.counts.T).astype(how.dtype)
    if how.container == "10x folder":
        rows = zip(ids, symbols, kinds, strict=True)
        (folder / "features.tsv").write_text("".join("\t".join(row) + "\n" for row in rows))
        (folder / "barcodes.tsv").write_text("".join(f"{one}\n" for one in barcodes))
        with (folder / "matrix.mtx").open("wb") as file:
            scipy.io.mmwrite(file, matrix.sorted_indices().astype(np.int64))
        return folder
    path = folder / "query.h5"
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        group["data"], group["indices"], group["indptr"] = (
            matrix.data, matrix.indices.astype(np.int64), matrix.indptr.astype(np.int64),
        )  # fmt: skip
        group["shape"] = np.array(matrix.shape, np.int64)
        group["barcodes"] = np.array(barcodes, "S")
        features = {"id": ids, "name": symbols, "feature_type": kinds}
        for name, values in features.items():
            group[f"features/{name}"] = np.array(values.tolist(), "S")
    return path


def clean_answers(how: Drawn) -> Mapping:
    cells = cells_of(how)
    made = anndata.AnnData(cells.counts, var=pd.DataFrame(index=cells.symbols))
    return atlas().map(made, device="cpu")


def same(found: Mapping, expected: Mapping) -> None:
    for name in [*expected.obs, *expected.obsm]:
        if found[name].dtype == object:
            assert found[name].tolist() == expected[name].tolist(), name
        else:
            np.testing.assert_allclose(found[name], expected[name], rtol=1e-4, atol=1e-5)


@settings(max_examples=DRAWS, deadline=None)
@given(drawn())
@example(Drawn("h5ad", 1, "X", ("seen",), "csr", "int32", "genome", False, False, False))
@example(Drawn("memory", 2, "raw", ("log",), "csc", "float32", "column", True, False, False))
def test_the_same_cells_get_the_same_answers_however_they_are_stored(how: Drawn) -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        asked = write(how, folder)
        if how.counts_in == "nowhere":
            with pytest.raises(InputError, match="no raw counts"):
                atlas().map(asked, device="cpu")
        else:
            same(atlas().map(asked, device="cpu"), clean_answers(how))
    finally:
        shutil.rmtree(folder)
