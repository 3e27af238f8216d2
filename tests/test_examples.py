"""The reader of docs/format.md in plain JavaScript gives the labels of `cellport map`."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import scipy.sparse as sp

from cellport.demo import write_sample
from cellport.runtime.columns import LABEL
from cellport.runtime.mapping.atlas import Atlas, load_atlas

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
READER = EXAMPLES / "read_atlas.mjs"


@pytest.fixture(scope="module")
def atlas() -> Atlas:
    return load_atlas("lung-demo")


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Any:
    import anndata

    return anndata.read_h5ad(write_sample(tmp_path_factory.mktemp("sample"))[1])


def read_atlas(*arguments: object) -> subprocess.CompletedProcess[str]:
    if shutil.which("node") is None or not (EXAMPLES / "node_modules").is_dir():
        pytest.skip("the reader needs node, and `npm install --prefix examples`")
    command = ["node", str(READER), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def write_tenx(folder: Path, counts: Any, ids: Any, names: Any, barcodes: Any) -> Path:
    folder.mkdir()
    rows = [f"{one}\t{name}\tGene Expression\n" for one, name in zip(ids, names, strict=True)]
    (folder / "features.tsv").write_text("".join(rows))
    (folder / "barcodes.tsv.gz").write_bytes(gzip.compress("\n".join(barcodes).encode()))
    with (folder / "matrix.mtx").open("wb") as file:
        scipy.io.mmwrite(file, sp.coo_matrix(sp.csr_matrix(counts).T.astype(np.int64)))
    return folder


@pytest.mark.parametrize("how", ["symbols", "ids", "some genes, an empty cell"])
def test_its_labels_are_those_of_map(how: str, atlas: Atlas, cells: Any, tmp_path: Path) -> None:
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


def test_it_reads_the_frozen_atlas() -> None:
    frozen = EXAMPLES.parent / "tests" / "data" / "format1"
    done = read_atlas(frozen / "atlas.cellport", frozen / "query")
    assert done.returncode == 0, done.stderr
    answers = json.loads((frozen / "answers.json").read_text())
    assert [line.split("\t")[1] for line in done.stdout.splitlines()] == answers[LABEL]


def test_it_refuses_what_it_cannot_read(atlas: Atlas, tmp_path: Path) -> None:
    whole = atlas.file.path.read_bytes()
    spoilt = tmp_path / "spoilt.cellport"
    for data in (whole[:-1], whole[:1000] + b"x" + whole[1001:], b"no atlas"):
        spoilt.write_bytes(data)
        done = read_atlas(spoilt, tmp_path)
        assert done.returncode == 1
        assert "spoilt.cellport is damaged" in done.stderr


def test_it_is_short() -> None:
    assert len(READER.read_text().splitlines()) < 120
