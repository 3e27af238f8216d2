"""Damaged files end in an error for people or in what the file says, never in anything else."""

from __future__ import annotations

import gzip
import random
import time
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest

from cellport.runtime.errors import CellportError
from cellport.runtime.sources import open_source

if TYPE_CHECKING:
    from pathlib import Path

EXTREMES = (0, 1, -1, 2**31 - 1, -(2**31), 2**31, 2**32 + 1, 2**62, -(2**63))
VALUES = (np.nan, np.inf, -np.inf, -1.0, 0.5, 1e300, 0.0, -0.0, 2.0**60)
HDF5_KINDS = ("gzip", "shuffle", "lzf", "plain", "csc", "dense", "tenx")
SECONDS = 10


def write_base(path: Path, kind: str, counts, make_anndata) -> None:
    if kind == "mtx":
        entries = counts.tocoo()
        lines = zip(entries.col + 1, entries.row + 1, entries.data.astype(int), strict=True)
        text = "%%MatrixMarket matrix coordinate integer general\n%\n"
        text += f"{counts.shape[1]} {counts.shape[0]} {counts.nnz}\n"
        path.write_text(text + "".join(f"{g} {c} {v}\n" for g, c, v in lines))
    elif kind == "tenx":
        with h5py.File(path, "w") as file:
            group = file.create_group("matrix")
            for name in ("data", "indices", "indptr"):
                values = getattr(counts, name).astype("i8")
                group.create_dataset(name, data=values, chunks=(40,), compression="gzip")
            group["shape"] = np.array(counts.shape[::-1], "i4")
            group["barcodes"] = np.array([f"c{i}" for i in range(counts.shape[0])], "S")
            for name in ("id", "name"):
                values = np.array([f"g{i}" for i in range(counts.shape[1])], "S")
                group[f"features/{name}"] = values
    else:
        stored = {"csc": counts.tocsc(), "dense": counts.toarray()}.get(kind, counts)
        make_anndata(stored).write_h5ad(path, compression=None if kind == "plain" else "gzip")
        if kind in ("shuffle", "lzf", "gzip"):
            how = "lzf" if kind == "lzf" else "gzip"
            with h5py.File(path, "r+") as file:
                for name in ("data", "indices"):
                    values = file["X"][name][:]
                    del file["X"][name]
                    file["X"].create_dataset(
                        name, data=values, chunks=(64,), compression=how, shuffle=kind == "shuffle"
                    )


@pytest.fixture(scope="module")
def bases(tmp_path_factory, make_anndata, make_counts):
    """Bytes of an undamaged file of each kind, and the matrix in them."""
    counts = make_counts(n_cells=60, n_genes=40)
    folder = tmp_path_factory.mktemp("bases")
    made = {}
    for kind in (*HDF5_KINDS, "mtx"):
        write_base(folder / kind, kind, counts, make_anndata)
        made[kind] = (folder / kind).read_bytes(), stored_bytes(folder / kind)
    # LZF's kernel brings numba; its start is no hang of the case that happens to be the first
    assert np.array_equal(read(folder / "lzf", 1), counts.toarray())
    return made, counts


def stored_bytes(path: Path) -> list[int]:
    """Places of all bytes that belong to the matrix itself.

    Not those of the HDF5 library: it can loop for ever on a damaged heap of names.
    """
    if path.name == "mtx":
        return list(range(path.stat().st_size))
    places: list[int] = []
    with h5py.File(path) as file:
        group = file["matrix"] if "matrix" in file else file["X"]
        names = ("indptr", "indices", "data")
        for data in [group] if isinstance(group, h5py.Dataset) else map(group.get, names):
            if data.chunks is None:
                places += range(data.id.get_offset(), data.id.get_offset() + data.nbytes)
            else:
                for number in range(data.id.get_num_chunks()):
                    chunk = data.id.get_chunk_info(number)
                    places += range(chunk.byte_offset, chunk.byte_offset + chunk.size)
    return places


def flip(content: bytes, places: list[int], dice: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(dice.choice((1, 1, 1, 4, 16))):
        changed[dice.choice(places)] ^= 1 << dice.randrange(8)
    return bytes(changed)


def cut_or_grow(content: bytes, places: list[int], dice: random.Random) -> bytes:
    if dice.random() < 0.3:
        return content + dice.randbytes(dice.randrange(1, 200))
    return content[: dice.randrange(len(content))]


def change_array(path: Path, dice: random.Random) -> None:
    """Change one of the arrays of a valid HDF5 file to something invalid, or else different."""
    with h5py.File(path, "r+") as file:
        group = file["matrix"] if "matrix" in file else file["X"]
        if isinstance(group, h5py.Dataset):
            file["X"][dice.randrange(60), dice.randrange(40)] = dice.choice(VALUES)
            return
        name = dice.choice(("indptr", "indices", "data"))
        values = group[name][:]
        how = dice.choice(("set", "set", "set", "swap", "shorter", "longer", "reverse", "type"))
        if how == "set":
            extreme = dice.choice(VALUES if name == "data" else (*EXTREMES, 40, 60, len(values)))
            values = values.astype("f8" if name == "data" else "i8")
            values[dice.randrange(len(values))] = extreme
        elif how == "swap":
            a, b = dice.randrange(len(values)), dice.randrange(len(values))
            values[[a, b]] = values[[b, a]]
        elif how == "shorter":
            values = values[: -dice.randrange(1, len(values))]
        elif how == "longer":
            values = np.append(values, values[: dice.randrange(1, 5)])
        elif how == "reverse":
            values = values[::-1]
        else:
            values = values.astype(dice.choice(("f4", "u1", "S4", "c8", "?")))
        del group[name]
        group.create_dataset(
            name,
            data=values,
            chunks=(len(values) // 3 + 1,),
            compression=dice.choice((None, "gzip")),
        )


def dense(indptr, indices, data, shape):
    """Add up CSR arrays without any library that could stumble over them."""
    total = np.zeros(shape, np.float64)
    rows = np.repeat(np.arange(shape[0]), np.diff(indptr.astype("i8")))
    np.add.at(total, (rows, indices), data.astype(np.float32))
    return total


def what_the_file_says(path: Path, shape):
    """Read the file as plainly as can be; None where h5py or numpy cannot."""
    try:
        if path.name.startswith("mtx"):
            lines = path.read_bytes().splitlines()
            numbers = [tuple(map(float, line.split())) for line in lines[3:] if line.strip()]
            g, c, v = (np.array(column) for column in zip(*numbers, strict=True))
            total = np.zeros(shape)
            np.add.at(total, (c.astype(int) - 1, g.astype(int) - 1), v.astype(np.float32))
            return total
        with h5py.File(path) as file:
            group = file["matrix"] if "matrix" in file else file["X"]
            if isinstance(group, h5py.Dataset):
                return group[:].astype(np.float32).astype(np.float64)
            arrays = [group[name][:] for name in ("indptr", "indices", "data")]
            if group.attrs.get("encoding-type") == "csc_matrix":
                return dense(*arrays, shape[::-1]).T
            return dense(*arrays, shape)
    except (OSError, RuntimeError, LookupError, ValueError, TypeError):
        return None


def read(path: Path, threads: int):
    source = open_source(path, threads=threads)
    try:
        indptr, indices, data = [np.zeros(1, np.int64)], [], []
        for block in source.blocks(7):
            indptr.append(block.indptr[1:] + indptr[-1][-1])
            indices.append(block.indices)
            data.append(block.data)
        source.cell_names(0, source.n_cells)
        shape = (source.n_cells, source.n_genes)
        return dense(np.concatenate(indptr), np.concatenate(indices), np.concatenate(data), shape)
    finally:
        source.close()


def check_case(number: int, bases, folder: Path) -> str:
    made, counts = bases
    dice = random.Random(number)
    kind = dice.choice((*HDF5_KINDS, "mtx"))
    path = folder / kind
    if kind == "mtx":
        path = folder / f"mtx{number}.matrix.mtx"
        prefix = path.name.removesuffix("matrix.mtx")
        names = "\n".join(f"n{i}" for i in range(40))
        (folder / f"{prefix}genes.tsv").write_text(names)
        (folder / f"{prefix}barcodes.tsv").write_text("\n".join(f"c{i}" for i in range(60)))
        damage = dice.choice((flip, flip, cut_or_grow))
        packed = dice.random() < 0.3
        content, places = made[kind]
        if packed:
            content = gzip.compress(content, 1)
            places = list(range(len(content)))
        path.write_bytes(damage(content, places, dice))
    else:
        damage = dice.choice((flip, flip, cut_or_grow, change_array))
        if damage is change_array:
            path.write_bytes(made[kind][0])
            with np.errstate(all="ignore"):
                change_array(path, dice)
        else:
            path.write_bytes(damage(*made[kind], dice))
    begin = time.perf_counter()
    try:
        got = read(path, dice.choice((1, 2)))
    except CellportError as error:
        assert len(str(error)) > 20  # noqa: PT017
        outcome = "refused"
    else:
        with np.errstate(all="ignore"):
            said = what_the_file_says(path, counts.shape)
        original = np.array_equal(got, counts.toarray())
        assert original or (said is not None and np.array_equal(got, said)), (number, kind, damage)
        outcome = "read"
    assert time.perf_counter() - begin < SECONDS
    return outcome


def run(numbers: range, bases, folder: Path) -> None:
    outcomes = [check_case(number, bases, folder) for number in numbers]
    # Damage that is never met, or never missed, would mean that the cases test nothing.
    assert outcomes.count("refused") > len(numbers) // 5
    assert outcomes.count("read") > len(numbers) // 10


def test_damaged_files(bases, tmp_path):
    run(range(300), bases, tmp_path)


@pytest.mark.slow
def test_many_more_damaged_files(bases, tmp_path):
    run(range(300, 2500), bases, tmp_path)
