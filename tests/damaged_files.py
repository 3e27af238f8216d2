"""Files of cells of every layout, damaged in every way at random."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from written_files import write_triple

CELLS, GENES, CHUNK = 60, 40, 128
GENE_NAMES = [f"GENE{i}" for i in range(GENES)]
LAYOUTS = ("csr", "csc", "dense", "10x")
FOLDER = ("matrix.mtx.gz", "features.tsv.gz", "barcodes.tsv.gz")
DTYPES = ("u1", "u2", "u4", "i4", "i8", "f4", "f8")
FILTERS: dict[str, dict[str, Any]] = {
    "none": {},
    "gzip": {"compression": "gzip"},
    "shuffle, gzip": {"compression": "gzip", "shuffle": True},
    "gzip, checksum": {"compression": "gzip", "fletcher32": True},
    "checksum": {"fletcher32": True},
}
# what is damaged, by where it lies in a 10x file and in an h5ad
PARTS = ("counts", "indices", "indptr", "cells", "genes", "kinds of genes", "codes")
DAMAGES = (
    "flipped",
    "zeroed",
    "moved chunk",
    "header",
    "cut",
    "external",
    "external zeros",
    "virtual",
    "shorter",
    "longer",
    "no such chunk",
)


@dataclass(frozen=True)
class Damaged:
    """A file of one layout, and what became of one of its arrays."""

    layout: str
    dtype: str
    filters: str
    part: str
    damage: str
    seed: int

    def write(self, path: Path, genes: Sequence[str] = GENE_NAMES) -> None:
        """Write the file, and spoil it."""
        rng = np.random.default_rng(self.seed)
        with h5py.File(path, "w") as file:
            self._fill(file, genes[:GENES], rng)
            place = self._place(file)
            self._restate(file, place)
            begin, size = _stored(file[place], rng) if place in file else (0, 0)
            header = h5py.h5o.get_info(file[place].id).addr if place in file else 0
        self._spoil(path, begin, size, header, rng)

    def _fill(self, file: h5py.File, genes: Sequence[str], rng: np.random.Generator) -> None:
        counts = rng.poisson(1.5, (CELLS, GENES)).astype(self.dtype)
        cells = [f"ACGTACGT-{i}" for i in range(CELLS)]
        kinds = ["Gene Expression"] * GENES
        group = file.create_group("matrix" if self.layout == "10x" else "X")
        if self.layout == "dense":
            del file["X"]
            self._put(file, "X", counts, (16, GENES))
        else:
            turned = counts.T if self.layout == "csc" else counts
            rows, columns = np.nonzero(turned)
            starts = np.searchsorted(rows, np.arange(len(turned) + 1))
            self._put(group, "data", turned[rows, columns])
            self._put(group, "indices", columns.astype("i4" if self.dtype < "i" else "i8"))
            self._put(group, "indptr", starts.astype("i8"))
        if self.layout == "10x":
            group["shape"] = np.array([GENES, CELLS], "i4")
            self._put(group, "barcodes", np.array(cells, "S"))
            for name, values in (("id", genes), ("name", genes), ("feature_type", kinds)):
                self._put(group, f"features/{name}", np.array(values, "S"))
            return
        if self.layout != "dense":
            group.attrs.update({"encoding-type": f"{self.layout}_matrix", "shape": counts.shape})
        for name, index in (("obs", cells), ("var", genes)):
            frame = file.create_group(name)
            frame.attrs["_index"] = "_index"
            self._put(frame, "_index", np.array(index, object), dtype=h5py.string_dtype())
        self._put(file["var"], "feature_types", np.array(kinds, object), dtype=h5py.string_dtype())
        self._put(file["obs"], "kind/codes", rng.integers(0, 2, CELLS).astype("i1"))
        self._put(
            file["obs"], "kind/categories", np.array(["a", "b"], object), dtype=h5py.string_dtype()
        )

    def _put(
        self,
        group: h5py.Group,
        name: str,
        values: Any,
        chunks: tuple[int, ...] = (CHUNK,),
        dtype: Any = None,
    ) -> None:
        how = dict(FILTERS[self.filters])
        if h5py.check_string_dtype(dtype or values.dtype):
            how.pop("fletcher32", None)
        if how or self.damage == "moved chunk":
            how["chunks"] = tuple(min(pair) for pair in zip(chunks, values.shape, strict=False))
        group.create_dataset(name, data=values, dtype=dtype, **how)

    def _place(self, file: h5py.File) -> str:
        above = "matrix" if self.layout == "10x" else "X"
        if self.part in ("counts", "indices", "indptr"):
            inside = {"counts": "data"}.get(self.part, self.part)
            return "X" if self.layout == "dense" else f"{above}/{inside}"
        names = {
            "cells": ("matrix/barcodes", "obs/_index"),
            "genes": ("matrix/features/name", "var/_index"),
            "kinds of genes": ("matrix/features/feature_type", "var/feature_types"),
            "codes": ("matrix/features/id", "obs/kind/codes"),
        }
        return names[self.part][self.layout != "10x"]

    def _restate(self, file: h5py.File, place: str) -> None:
        """Damage that HDF5 itself can write."""
        values, shape = file[place][()], file[place].shape
        text = h5py.check_string_dtype(file[place].dtype)
        dtype = h5py.string_dtype() if text and text.length is None else file[place].dtype
        if self.damage not in ("external", "external zeros", "virtual", "shorter", "longer"):
            return
        if self.damage.startswith("external") and text:
            return
        del file[place]
        if self.damage == "virtual":
            whole = h5py.VirtualLayout(shape, dtype)
            whole[...] = h5py.VirtualSource("elsewhere.h5", "x", shape)
            file.create_virtual_dataset(place, whole)
        elif self.damage.startswith("external"):
            where = "/dev/zero" if self.damage == "external zeros" else "/nowhere/at/all"
            file.create_dataset(place, shape, dtype, external=[(where, 0, values.nbytes)])
        else:
            change = -1 if self.damage == "shorter" else 1
            kept = np.concatenate([values, values[-1:]])[: len(values) + change]
            file.create_dataset(place, data=kept, dtype=dtype)

    def _spoil(
        self, path: Path, begin: int, size: int, header: int, rng: np.random.Generator
    ) -> None:
        """Damage that befalls the bytes of a file."""
        whole = bytearray(path.read_bytes())
        if self.damage in ("flipped", "zeroed") and size:
            at = begin + int(rng.integers(max(1, size - 16)))
            for i in range(at, min(at + 16, begin + size)):
                whole[i] = 0 if self.damage == "zeroed" else whole[i] ^ 0xFF
        elif self.damage == "header":
            at = header + int(rng.integers(200))
            whole[at : at + 8] = rng.bytes(8)
        elif self.damage == "moved chunk":
            at = whole.find(begin.to_bytes(8, "little"))
            whole[at : at + 8] = int(rng.integers(len(whole))).to_bytes(8, "little")
        elif self.damage == "no such chunk":
            at = whole.find(begin.to_bytes(8, "little"))
            whole[at : at + 8] = (1 << 40).to_bytes(8, "little")
        elif self.damage == "cut":
            del whole[int(rng.integers(len(whole) // 2, len(whole))) :]
        path.write_bytes(whole)


@dataclass(frozen=True)
class DamagedFolder:
    """A packed folder of 10x, and what became of one of its files."""

    file: str
    damage: str
    seed: int

    def write(self, path: Path) -> None:
        """Write the folder, and spoil it."""
        write_triple(path)
        for file in list(path.iterdir()):
            (path / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes(), mtime=0))
            file.unlink()
        packed = path / self.file
        whole = bytearray(packed.read_bytes())
        at = self.seed % (len(whole) - 16)
        if self.damage == "cut":
            del whole[at:]
        else:
            mask = 0xFF if self.damage == "flipped" else 0
            whole[at : at + 16] = [(byte ^ mask) & mask for byte in whole[at : at + 16]]
        packed.write_bytes(whole)


def _stored(dataset: h5py.Dataset, rng: np.random.Generator) -> tuple[int, int]:
    """Where a chunk of a dataset, or the whole of it, lies in its file."""
    if dataset.chunks is None:
        return dataset.id.get_offset() or 0, dataset.id.get_storage_size()
    if not dataset.id.get_num_chunks():
        return 0, 0
    chunk = dataset.id.get_chunk_info(int(rng.integers(dataset.id.get_num_chunks())))
    return chunk.byte_offset, chunk.size


folders = st.builds(
    DamagedFolder,
    st.sampled_from(FOLDER),
    st.sampled_from(["flipped", "zeroed", "cut"]),
    st.integers(0, 2**32 - 1),
)
files = st.builds(
    Damaged,
    st.sampled_from(LAYOUTS),
    st.sampled_from(DTYPES),
    st.sampled_from(list(FILTERS)),
    st.sampled_from(PARTS),
    st.sampled_from(DAMAGES),
    st.integers(0, 2**32 - 1),
).filter(lambda one: one.layout != "dense" or not one.part.startswith("ind"))

# every array that is shorter or longer than those beside it
other_lengths = [
    Damaged(layout, "f4", "gzip", part, damage, 0)
    for layout in LAYOUTS
    for part in PARTS
    for damage in ("shorter", "longer")
    if layout != "dense" or not part.startswith("ind")
]
anything = st.integers(0, 7).flatmap(lambda kind: files if kind else folders)


def drawn(how: st.SearchStrategy[Any], most: int) -> list[Any]:
    """Draw up to `most` examples, no two alike."""
    found: list[Any] = []
    limits = settings(
        max_examples=most,
        phases=[Phase.generate],
        database=None,
        suppress_health_check=list(HealthCheck),
    )

    @limits
    @given(how)
    def draw(one: Any) -> None:
        found.append(one)

    draw()
    return list(dict.fromkeys(found))
