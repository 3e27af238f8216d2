"""The readers of docs/format.md in other languages give the labels of `cellport map`."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import scipy.io
import scipy.sparse as sp

from cellport.demo import write_sample
from cellport.runtime.columns import LABEL
from cellport.runtime.mapping.atlas import Atlas, load_atlas

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
READERS = {"javascript": EXAMPLES / "read_atlas.mjs", "rust": EXAMPLES / "read_atlas.rs"}
Read = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def atlas() -> Atlas:
    return load_atlas("lung")


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Any:
    import anndata

    return anndata.read_h5ad(write_sample(tmp_path_factory.mktemp("sample"))[1])


def in_javascript() -> list[str]:
    if shutil.which("node") is None or not (EXAMPLES / "node_modules").is_dir():
        pytest.skip("the reader needs node, and `npm install --prefix examples`")
    return ["node", str(READERS["javascript"])]


def in_rust(folder: Path) -> list[str]:
    """Compile the reader, without a warning, and find the library of ONNX Runtime's wheel."""
    if shutil.which("rustc") is None:
        pytest.skip("the reader needs rustc")
    version = subprocess.run(["rustc", "--version"], capture_output=True, text=True).stdout
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < (1, 77):
        pytest.skip(f"the reader needs Rust 1.77 or newer, and this is {version.strip()}")
    libraries = list((Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so*"))
    if not libraries:
        pytest.skip("this build of ONNX Runtime has no library of its own")
    command = ["rustc", "--edition", "2021", "-O", "-D", "warnings", str(READERS["rust"])]
    subprocess.run([*command, "-o", str(folder / "read_atlas")], check=True, timeout=300)
    return [str(folder / "read_atlas"), str(libraries[0])]


@pytest.fixture(scope="module", params=list(READERS))
def read_atlas(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Read:
    language = request.param
    folder = tmp_path_factory.mktemp("reader")
    command = in_javascript() if language == "javascript" else in_rust(folder)

    def read(*arguments: object) -> subprocess.CompletedProcess[str]:
        given = [*command, *map(str, arguments)]
        return subprocess.run(given, capture_output=True, text=True, timeout=300)

    return read


def write_tenx(folder: Path, counts: Any, ids: Any, names: Any, barcodes: Any) -> Path:
    folder.mkdir()
    rows = [f"{one}\t{name}\tGene Expression\n" for one, name in zip(ids, names, strict=True)]
    (folder / "features.tsv").write_text("".join(rows))
    (folder / "barcodes.tsv.gz").write_bytes(gzip.compress("\n".join(barcodes).encode()))
    with (folder / "matrix.mtx").open("wb") as file:
        scipy.io.mmwrite(file, sp.coo_matrix(sp.csr_matrix(counts).T.astype(np.int64)))
    return folder


@pytest.mark.parametrize("how", ["symbols", "ids", "some genes, an empty cell"])
def test_its_labels_are_those_of_map(
    how: str, read_atlas: Read, atlas: Atlas, cells: Any, tmp_path: Path
) -> None:
    counts, names = sp.csr_matrix(cells.X).copy(), cells.var_names.to_numpy(object)
    ids = np.array([f"no id {i}" for i in range(len(names))], object)
    if how == "ids":
        known = dict(zip(atlas.panel.symbols, atlas.panel.ensembl, strict=True))
        ids = np.array([known.get(name, "") for name in names], object)
        names = np.array([f"no name {i}" for i in range(len(names))], object)
    elif how != "symbols":
        some = np.random.default_rng(0).permutation(len(names))[: len(names) // 2]
        counts, ids, names = counts[:, some], ids[some], names[some]
        counts.data[counts.indptr[3] : counts.indptr[4]] = 0
    folder = write_tenx(tmp_path / "sample", counts, ids, names, cells.obs_names)
    done = read_atlas(atlas.file.path, folder)
    assert done.returncode == 0, done.stderr
    found = [line.split("\t") for line in done.stdout.splitlines()]
    assert [cell for cell, _ in found] == list(cells.obs_names)
    labels = [label for _, label in found]
    assert labels == list(atlas.map(folder)[LABEL])
    assert len(set(labels)) > 5
    assert ("unknown" in labels) == (how == "some genes, an empty cell")


def test_it_reads_the_frozen_atlas(read_atlas: Read) -> None:
    frozen = EXAMPLES.parent / "tests" / "data" / "format1"
    done = read_atlas(frozen / "atlas.cellport", frozen / "query")
    assert done.returncode == 0, done.stderr
    answers = json.loads((frozen / "answers.json").read_text())
    assert [line.split("\t")[1] for line in done.stdout.splitlines()] == answers[LABEL]


def test_it_refuses_what_it_cannot_read(read_atlas: Read, atlas: Atlas, tmp_path: Path) -> None:
    whole = atlas.file.path.read_bytes()
    spoilt = tmp_path / "spoilt.cellport"
    for data in (whole[:-1], whole[:1000] + b"x" + whole[1001:], b"no atlas"):
        spoilt.write_bytes(data)
        done = read_atlas(spoilt, tmp_path)
        assert done.returncode == 1
        assert "spoilt.cellport is damaged" in done.stderr


def test_a_right_seal_is_right_whatever_the_length(read_atlas: Read, tmp_path: Path) -> None:
    """An empty zip with so much before it that its last block of 64 bytes is full, or is not."""
    directory = b"PK\x05\x06" + bytes(16) + (117).to_bytes(2, "little")
    sealed = directory + b"cellport atlas, sha256 of all bytes before these 64: "
    for before in (0, 44, 45, 52, 53):  # 75 bytes follow
        whole = b"x" * before + sealed
        whole += hashlib.sha256(whole).hexdigest().encode()
        (tmp_path / "empty.cellport").write_bytes(whole)
        done = read_atlas(tmp_path / "empty.cellport", tmp_path)
        assert done.returncode == 1
        assert "is damaged" not in done.stderr


def test_they_are_short() -> None:
    lines = {language: len(path.read_text().splitlines()) for language, path in READERS.items()}
    assert lines["javascript"] < 120
    # the hash, JSON and the calls of C are its own
    assert lines["rust"] < 500
