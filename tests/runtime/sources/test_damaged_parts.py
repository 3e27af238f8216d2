"""Files of which one part is not what its place says, each refused in a sentence that names it."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import h5py
import numpy as np
import pytest

from cellport.runtime.errors import InputError
from cellport.runtime.sources import mtx as matrix_market
from cellport.runtime.sources import open_source
from cellport.runtime.sources.chunks import FileChunks, locate

Damage = Callable[[h5py.File], Any]


def read_all_of(path: Path, column: str | None = None, **kwargs: Any) -> None:
    source = open_source(path, **kwargs)
    try:
        for block in source.blocks(7):
            assert block.n_cells
        source.cell_names(0, source.n_cells)
        if column is not None:
            source.obs_column(column)
    finally:
        source.close()


def put(file: h5py.File, name: str, value: Any) -> None:
    del file[name]
    file[name] = value


def no_shape(file: h5py.File) -> None:
    del file["X"].attrs["shape"]


def fewer_cells(file: h5py.File) -> None:
    for column in file["obs"]:
        if isinstance(file["obs"][column], h5py.Dataset):
            put(file, f"obs/{column}", file["obs"][column][:-1])
    put(file, "obs/batch/codes", file["obs/batch/codes"][:-1])


def new_kind_of_column(file: h5py.File) -> None:
    del file["obs/batch"]
    file["obs/batch/values"] = np.zeros(23)
    file["obs/batch"].attrs["encoding-type"] = "of-tomorrow"


def group_of_nothing(file: h5py.File) -> None:
    del file["obs/_index"]
    file.create_group("obs/_index")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (no_shape, "X.*its shape is not stored"),
        (fewer_cells, "X.*it has 23 cells and obs has 22"),
        (new_kind_of_column, "the encoding 'of-tomorrow' of /obs/batch is not known"),
        (group_of_nothing, "/obs/_index is neither a column nor an array"),
        (lambda file: put(file, "obs/_index", np.zeros((23, 2))), "has 2 axes instead of one"),
        (
            lambda file: put(file, "obs/batch/codes", np.zeros(23)),
            "codes of categories are not integers",
        ),
        (
            lambda file: put(file, "obs/batch/codes", np.full(23, 3)),
            "a code points beyond the categories",
        ),
        (
            lambda file: put(file, "obs/donor", np.array(["d"] * 22, "S")),
            "its column 'donor' has 22 rows and its index 23",
        ),
        (lambda file: put(file, "obs", np.zeros(23)), "obs is not a table that cellport knows"),
    ],
)
def test_of_an_h5ad_file(tmp_path: Path, make_anndata: Any, damage: Damage, said: str) -> None:
    path = tmp_path / "query.h5ad"
    make_anndata().write_h5ad(path)
    read_all_of(path, "batch")
    with h5py.File(path, "r+") as file:
        damage(file)
    with pytest.raises(InputError, match=said):
        read_all_of(path, "donor" if "donor" in said else "batch")


def loom(path: Path, counts: Any, **parts: Any) -> Path:
    with h5py.File(path, "w") as file:
        file["matrix"] = counts.T
        file["row_attrs/Gene"] = np.array([f"GENE{i}" for i in range(counts.shape[-1])], "S")
        file.create_group("col_attrs")
        for name, value in parts.items():
            put(file, name, value)
    return path


def test_of_a_loom_file(tmp_path: Path, make_counts: Any, check_stream: Any) -> None:
    counts = make_counts()
    dense = counts.toarray()
    nameless = check_stream(loom(tmp_path / "nameless.loom", dense), counts)
    assert nameless.cell_names(20, 23).tolist() == ["20", "21", "22"]
    nameless.close()
    with pytest.raises(InputError, match=r"deep\.loom.*its matrix has not two axes"):
        read_all_of(loom(tmp_path / "deep.loom", dense, matrix=dense[None]))
    rows = {"row_attrs/Gene": np.arange(17)}
    with pytest.raises(InputError, match=r"numbers\.loom, row_attrs has no names of genes"):
        read_all_of(loom(tmp_path / "numbers.loom", dense, **rows))


def tenx_h5(path: Path, counts: Any) -> Path:
    by_cell = counts.tocsr()
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        for name in ("data", "indices", "indptr"):
            group[name] = getattr(by_cell, name)
        group["shape"] = np.array(counts.shape[::-1])
        group["barcodes"] = np.array([f"cell{i}" for i in range(counts.shape[0])], "S")
        genes = np.array([f"GENE{i}" for i in range(counts.shape[1])], "S")
        group["features/id"] = group["features/name"] = genes
        group["features/feature_type"] = np.array(["Gene Expression"] * len(genes), "S")
        group["features/genome"] = np.array(["GRCh38"] * len(genes), "S")
    return path


def test_of_the_genomes_of_a_10x_file(tmp_path: Path, make_counts: Any) -> None:
    path = tenx_h5(tmp_path / "matrix.h5", make_counts())
    read_all_of(path, genome="GRCh38")
    with h5py.File(path, "r+") as file:
        put(file, "matrix/features/genome", np.array(["GRCh38"] * 16, "S"))
    with pytest.raises(InputError, match="it has 17 features and 16 genomes of them"):
        read_all_of(path, genome="GRCh38")
    with h5py.File(path, "r+") as file:
        del file["matrix/features/genome"]
    read_all_of(path)
    with pytest.raises(InputError, match=r"matrix\.h5.* says nothing of genomes, so that 'GRCh38'"):
        read_all_of(path, genome="GRCh38")


def mtx(folder: Path, lines: list[str], shape: tuple[int, int]) -> Path:
    folder.mkdir()
    head = f"%%MatrixMarket matrix coordinate integer general\n{shape[0]} {shape[1]} {len(lines)}\n"
    (folder / "matrix.mtx").write_text(head + "".join(line + "\n" for line in lines))
    genes = "".join(f"ENSG{i:011d}\tGENE{i}\tGene Expression\n" for i in range(shape[0]))
    (folder / "features.tsv").write_text(genes)
    (folder / "barcodes.tsv").write_text("".join(f"cell{i}\n" for i in range(shape[1])))
    return folder


def test_of_a_10x_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [f"{gene + 1} {cell + 1} {gene + 2}" for cell in range(40) for gene in range(2)]
    good = mtx(tmp_path / "good", lines, (2, 40))
    monkeypatch.setattr(matrix_market, "PIECE", 64)
    read_all_of(good)
    long = mtx(tmp_path / "long", [*lines[:9], lines[9] + " " * 200, *lines[10:]], (2, 40))
    with pytest.raises(InputError, match="one of its lines is longer than 8 MB"):
        read_all_of(long)
    with pytest.raises(InputError, match=r"barcodes\.tsv is one of the three files of a 10x fold"):
        open_source(good / "barcodes.tsv")


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        (zlib.compress(bytes(3)), "a chunk does not decompress to its size"),
        (zlib.compress(bytes(84)), "a chunk does not decompress to its size"),
        (bytes(5000), "a chunk is larger than its elements can make it"),
    ],
)
@pytest.mark.parametrize("shuffle", [True, False])
def test_of_the_chunks_of_an_array(tmp_path: Path, stored: bytes, said: str, shuffle: bool) -> None:
    path = tmp_path / "chunks.h5"
    values = np.arange(50, dtype=np.float32)
    with h5py.File(path, "w") as file:
        options = {"compression": "gzip", "shuffle": shuffle}
        made = file.create_dataset("data", data=values, chunks=(20,), **options)
        made.id.write_direct_chunk((20,), stored)
    with h5py.File(path) as file, path.open("rb") as raw:
        located = locate(file["data"])
        assert located is not None
        chunks = FileChunks(located, raw.fileno())
        np.testing.assert_array_equal(chunks.decode(2), values[40:])
        with pytest.raises(InputError, match=said):
            chunks.decode(1)


def test_of_what_is_in_memory(make_anndata: Any, make_counts: Any) -> None:
    empty = anndata.AnnData(obs=make_anndata().obs, var=make_anndata().var)
    with pytest.raises(InputError, match="has no X, no layers and no raw"):
        open_source(empty)
    twice = make_anndata()
    twice.obs.columns = ["batch", "donor", "donor"]
    with pytest.raises(InputError, match="two of its columns have one name"):
        open_source(twice)


def test_an_array_whose_values_lie_in_other_files(tmp_path: Path, make_anndata: Any) -> None:
    path = tmp_path / "query.h5ad"
    make_anndata().write_h5ad(path)
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["names"] = np.arange(23)
    with h5py.File(path, "r+") as file:
        layout = h5py.VirtualLayout((23,), "i8")
        layout[:] = h5py.VirtualSource(tmp_path / "other.h5", "names", (23,))
        del file["obs/depth"]
        file["obs"].create_virtual_dataset("depth", layout)
    with pytest.raises(InputError, match="/obs/depth keeps its values in other files"):
        read_all_of(path, "depth")


def test_what_the_system_does_not_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "query.h5ad"
    path.write_bytes(b"x")

    def refuse(*_: Any, **__: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match=r"query\.h5ad cannot be opened \(Permission denied\)"):
        open_source(path)


def test_raw_as_anndata_0_6_wrote_it(tmp_path: Path, make_counts: Any, check_stream: Any) -> None:
    counts = make_counts()
    path = tmp_path / "old.h5ad"
    with h5py.File(path, "w") as file:
        file["obs/_index"] = np.array([f"c{i}" for i in range(23)], "S")
        for name in ("var/_index", "raw.var/_index"):
            file[name] = np.array([f"g{i}" for i in range(17)], "S")
        file["X"] = np.log1p(counts.toarray())
        file["raw.X"] = counts.toarray()
    assert check_stream(path, counts).description == f"{path}, raw/X"


def test_a_cell_with_more_entries_than_any_can_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [f"{1 + n % 2} {1 + n // 90} 3" for n in range(94)]
    folder = mtx(tmp_path / "repeated", lines, (2, 2))
    monkeypatch.setattr(matrix_market, "PIECE", 64)
    read_all_of(folder)
    monkeypatch.setattr(matrix_market, "row_limit", lambda n_genes: n_genes)
    monkeypatch.setattr(matrix_market, "MAX_NONZEROS", 8)
    with pytest.raises(InputError, match="cell 0 has more entries than genes"):
        read_all_of(folder)


def test_another_programs_lock_can_be_ignored(
    tmp_path: Path, make_anndata: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fcntl = pytest.importorskip("fcntl", reason="of Unix")
    path = tmp_path / "query.h5ad"
    make_anndata().write_h5ad(path)
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="open in another program that writes"):
            open_source(path)
        monkeypatch.setenv("HDF5_USE_FILE_LOCKING", "false")
        read_all_of(path)
        monkeypatch.delenv("HDF5_USE_FILE_LOCKING")

        def no_locks(*_: Any) -> None:
            raise OSError(37, "No locks available")

        monkeypatch.setattr(fcntl, "flock", no_locks)
        read_all_of(path)
