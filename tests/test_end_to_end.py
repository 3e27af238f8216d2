"""The whole way: counts in any form, one atlas file, mapped cells; and what may not change them."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anndata
import h5py
import numpy as np
import onnxruntime
import pytest
import scipy.io
import scipy.sparse as sp
import torch
from click.testing import CliRunner, Result
from numpy.testing import assert_array_equal

from cellport.cli import main
from cellport.runtime.mapping.atlas import Atlas, load_atlas
from cellport.runtime.mapping.result import Mapping

# A shell may start its background jobs with Ctrl-C ignored; a process of a user never is.
ENTRY = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.argv[0] = "cellport"
from cellport.cli import main
"""


def cellport(*arguments: object) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.stderr
    return result


def script(code: str, *arguments: object) -> list[str]:
    return [sys.executable, "-c", code, *(str(argument) for argument in arguments)]


def assert_same(one: Any, other: Any) -> None:
    """Compare every result of two mappings bit for bit."""
    assert one.schema == other.schema
    assert_array_equal(one.cell_names, other.cell_names)
    for name in (*one.obs, *one.obsm):
        assert_array_equal(one[name], other[name], err_msg=name)


@pytest.fixture(scope="module")
def atlas(tiny_atlas_path: Path) -> Atlas:
    return load_atlas(tiny_atlas_path)


@pytest.fixture(scope="module")
def query(tiny_cells: Any) -> Any:
    """The cells without a third of their genes, the rest in another order."""
    rng = np.random.default_rng(1)
    adata = tiny_cells.adata()
    part = adata[:, rng.permutation(adata.n_vars)[:100]].copy()
    part.X.sort_indices()
    return part


@pytest.fixture(scope="module")
def expected(atlas: Atlas, query: Any) -> Mapping:
    return atlas.map(query)


# --- the same answers from bare ONNX Runtime


def test_encoder_on_raw_counts_gives_what_mapping_gives(
    atlas: Atlas, query: Any, expected: Mapping
) -> None:
    position = {name: i for i, name in enumerate(query.var_names)}
    counts = np.full((query.n_obs, atlas.manifest.n_genes), np.nan, np.float32)
    for gene, symbol in enumerate(atlas.manifest.panel.symbols):
        if symbol in position:
            counts[:, gene] = query.X[:, [position[symbol]]].toarray().ravel()
    measured = np.isfinite(counts[0])
    assert 0.5 < measured.mean() < 0.9
    session = onnxruntime.InferenceSession(
        bytes(atlas.file.read("encoder.onnx")), providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    assert names == ["latent", "novelty_score", "umap", "label_prob", "cluster_prob"]
    latent, _, place, prob, _ = session.run(None, {"counts": counts})
    np.testing.assert_allclose(expected["X_cellport"], latent, atol=1e-4)
    np.testing.assert_allclose(expected["X_cellport_umap"], place, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(expected["cellport_prob"], prob.max(axis=1), atol=1e-4)
    top_two = np.sort(prob, axis=1)[:, -2:]
    clear = top_two[:, 1] - top_two[:, 0] > 2e-4
    assert clear.mean() > 0.9
    labels = np.array(atlas.manifest.labels, object)[prob.argmax(axis=1)]
    assert_array_equal(expected["cellport_label"][clear], labels[clear])


# --- what must not change an answer by one bit


@pytest.mark.parametrize("block_cells", [1, 7, 4096])
@pytest.mark.parametrize("threads", [1, 2])
def test_blocks_and_threads_change_nothing(
    block_cells: int, threads: int, atlas: Atlas, query: Any, expected: Mapping
) -> None:
    assert_same(atlas.map(query, block_cells=block_cells, threads=threads), expected)


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_cells_changes_nothing(
    seed: int, atlas: Atlas, query: Any, expected: Mapping
) -> None:
    order = np.random.default_rng(seed).permutation(query.n_obs)
    found = atlas.map(query[order].copy(), block_cells=int(7 + 50 * seed))
    for name in (*expected.obs, *expected.obsm):
        assert_array_equal(found[name], expected[name][order], err_msg=name)


def test_company_changes_nothing(atlas: Atlas, query: Any, expected: Mapping) -> None:
    """A cell mapped alone gets what it gets among others."""
    for cell in (0, 100, 239):
        alone = atlas.map(query[[cell]].copy())
        for name in (*expected.obs, *expected.obsm):
            assert_array_equal(alone[name], expected[name][[cell]], err_msg=name)


def test_the_order_of_genes_changes_nothing_but_rounding(
    atlas: Atlas, query: Any, expected: Mapping
) -> None:
    order = np.random.default_rng(0).permutation(query.n_vars)
    turned = query[:, order].copy()
    turned.X.sort_indices()
    found = atlas.map(turned)
    assert_array_equal(found["cellport_label"], expected["cellport_label"])
    for name in ("X_cellport", "cellport_prob"):
        np.testing.assert_allclose(found[name], expected[name], atol=1e-5)


# --- every form in which the counts may come


def _plain_h5ad(query: Any, path: Path) -> Path:
    query.write_h5ad(path.with_suffix(".h5ad"), compression="gzip")
    return path.with_suffix(".h5ad")


def _stored(kind: Callable[[Any], Any]) -> Callable[[Any, Path], Path]:
    def write(query: Any, path: Path) -> Path:
        query.X = kind(query.X)
        return _plain_h5ad(query, path)

    return write


def _layer(query: Any, path: Path) -> Path:
    query.layers["counts"] = query.X
    query.X = np.log1p(query.X.toarray())
    return _plain_h5ad(query, path)


def _raw(query: Any, path: Path) -> Path:
    query.raw = query.copy()
    query.X = np.log1p(query.X.toarray())
    return _plain_h5ad(query[:, :30].copy(), path)


def _ensembl(query: Any, path: Path) -> Path:
    query.var_names = [f"{gene}.{i % 9}" for i, gene in enumerate(query.var["gene_id"])]
    del query.var["gene_id"]
    return _plain_h5ad(query, path)


def _named_in_a_column(query: Any, path: Path) -> Path:
    query.var["feature_name"] = query.var_names
    query.var_names = [f"locus{i}" for i in range(query.n_vars)]
    del query.var["gene_id"]
    return _plain_h5ad(query, path)


def _tenx_h5(query: Any, path: Path) -> Path:
    path = path.with_suffix(".h5")
    with h5py.File(path, "w") as file:
        matrix = file.create_group("matrix")
        matrix["barcodes"] = query.obs_names.to_numpy().astype("S")
        counts = query.X.tocsr()
        matrix["data"] = counts.data.astype(np.int32)
        matrix["indices"] = counts.indices.astype(np.int64)
        matrix["indptr"] = counts.indptr.astype(np.int64)
        matrix["shape"] = np.array(query.shape[::-1], np.int32)
        features = matrix.create_group("features")
        features["id"] = query.var["gene_id"].to_numpy().astype("S")
        features["name"] = query.var_names.to_numpy().astype("S")
        features["feature_type"] = np.full(query.n_vars, b"Gene Expression")
        features["genome"] = np.full(query.n_vars, b"GRCh38")
    return path


def _tenx_folder(query: Any, path: Path) -> Path:
    path.mkdir()
    with gzip.open(path / "matrix.mtx.gz", "wb") as file:
        scipy.io.mmwrite(file, sp.coo_matrix(query.X.T.astype(int)), field="integer")
    features = zip(query.var["gene_id"], query.var_names, strict=True)
    lines = [f"{ensembl}\t{symbol}\tGene Expression\n" for ensembl, symbol in features]
    with gzip.open(path / "features.tsv.gz", "wt") as file:
        file.writelines(lines)
    with gzip.open(path / "barcodes.tsv.gz", "wt") as file:
        file.writelines(f"{name}\n" for name in query.obs_names)
    return path


def _zarr(query: Any, path: Path) -> Path:
    pytest.importorskip("zarr", reason="zarr is not installed")
    query.write_zarr(path.with_suffix(".zarr"))
    return path.with_suffix(".zarr")


FORMS = {
    "h5ad, CSR": _plain_h5ad,
    "h5ad, CSC": _stored(sp.csc_matrix),
    "h5ad, dense": _stored(lambda X: X.toarray()),
    "h5ad, integers": _stored(lambda X: X.astype(np.int32)),
    "h5ad, layers": _layer,
    "h5ad, raw": _raw,
    "h5ad, Ensembl ids with versions": _ensembl,
    "h5ad, symbols in a column of var": _named_in_a_column,
    "10x h5": _tenx_h5,
    "10x mtx folder": _tenx_folder,
    "zarr": _zarr,
    "AnnData": lambda query, path: query,
    "CSR and names": lambda query, path: (query.X, query.var_names, query.obs_names),
    "dense and names": lambda query, path: (query.X.toarray(), query.var_names, query.obs_names),
}


@pytest.mark.filterwarnings("ignore:Writing zarr v2 data:UserWarning")
@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_results(
    form: str, atlas: Atlas, query: Any, expected: Mapping, tmp_path: Path
) -> None:
    brought = FORMS[form](query.copy(), tmp_path / "query")
    assert_same(atlas.map(brought, block_cells=100), expected)


def test_output_formats_hold_the_same_results(
    tiny_atlas_path: Path, query: Any, expected: Mapping, tmp_path: Path
) -> None:
    import pandas as pd

    path = _plain_h5ad(query, tmp_path / "query")
    frames = {}
    for suffix in (".h5ad", ".csv", ".tsv.gz", ".parquet"):
        out = tmp_path / f"out{suffix}"
        cellport("map", tiny_atlas_path, path, "-o", out)
        if suffix == ".h5ad":
            found = anndata.read_h5ad(out)
            assert_array_equal(found.obsm["X_cellport"], expected["X_cellport"])
            frames[suffix] = found.obs
        elif suffix == ".parquet":
            frames[suffix] = pd.read_parquet(out).set_index("cell")
        else:
            separator = "\t" if "tsv" in suffix else ","
            frames[suffix] = pd.read_csv(out, sep=separator, index_col=0)
    for suffix, frame in frames.items():
        assert frame.index.tolist() == query.obs_names.tolist(), suffix
        for name in ("cellport_label", "cellport_call", "cellport_qc"):
            assert frame[name].tolist() == expected[name].tolist(), (suffix, name)
        np.testing.assert_allclose(frame["cellport_prob"], expected["cellport_prob"], rtol=1e-6)


# --- mapping without the packages of training

BLOCKED = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "onnx", "onnxscript", "pandas", "anndata"):
            raise ModuleNotFoundError(f"{name} was imported", name=name)

sys.meta_path.insert(0, Blocked())
sys.argv[0] = "cellport"
from cellport.cli import main
main()
"""


def test_mapping_needs_no_torch_onnx_pandas_or_anndata(
    tiny_atlas_path: Path, query: Any, expected: Mapping, tmp_path: Path
) -> None:
    path = _plain_h5ad(query, tmp_path / "query")
    for arguments in (
        ("map", tiny_atlas_path, path, "-o", tmp_path / "out.h5ad"),
        ("info", tiny_atlas_path),
        ("verify", tiny_atlas_path),
    ):
        command = script(BLOCKED, *arguments)
        done = subprocess.run(command, capture_output=True, text=True, cwd="/")
        assert done.returncode == 0, done.stderr
    found = anndata.read_h5ad(tmp_path / "out.h5ad")
    assert_array_equal(found.obsm["X_cellport"], expected["X_cellport"])
    assert found.obs["cellport_label"].tolist() == expected["cellport_label"].tolist()


# --- many cells


def _tiled(path: Path, cells: sp.csr_matrix, genes: Any, times: int) -> Path:
    """Write the same cells many times over, each compressed chunk made once only."""
    with h5py.File(path, "w") as file:
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        matrix = file.create_group("X")
        matrix.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0"})
        matrix.attrs["shape"] = np.array([times * cells.shape[0], cells.shape[1]])
        for name, values in (("data", cells.data), ("indices", cells.indices)):
            made = file.create_dataset(
                f"made_{name}", data=values, chunks=(len(values),), compression="gzip"
            )
            packed = made.id.read_direct_chunk((0,))[1]
            stored = matrix.create_dataset(
                name, times * len(values), values.dtype, chunks=made.chunks, compression="gzip"
            )
            for tile in range(times):
                stored.id.write_direct_chunk((tile * len(values),), packed)
            del file[f"made_{name}"]
        length = np.tile(np.diff(cells.indptr), times)
        matrix["indptr"] = np.concatenate([[0], np.cumsum(length)])
        names = np.array([f"cell{i}" for i in range(len(length))], object)
        for frame, index in (("obs", names), ("var", genes)):
            group = file.create_group(frame)
            group.attrs.update({"encoding-type": "dataframe", "encoding-version": "0.2.0"})
            group.attrs["_index"] = "_index"
            group.attrs.create("column-order", np.empty(0, object), (0,), h5py.string_dtype())
            group.create_dataset("_index", data=index, dtype=h5py.string_dtype())
    return path


@pytest.fixture(scope="module")
def many_cells(tiny_cells: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    folder = tmp_path_factory.mktemp("many")

    def write(n_cells: int) -> Path:
        path = folder / f"{n_cells}.h5ad"
        if not path.exists():
            times = -(-n_cells // tiny_cells.counts.shape[0])
            _tiled(path, tiny_cells.counts, tiny_cells.symbols, times)
        return path

    return write


# VmHWM is of this program alone; ru_maxrss begins with what the parent had when it forked
PEAK = """
main(standalone_mode=False)
with open("/proc/self/status") as status:
    (peak,) = (line.split()[1] for line in status if line.startswith("VmHWM"))
print("peak", peak)
"""


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs /proc to see memory")
def test_memory_does_not_grow_with_cells(
    many_cells: Callable[[int], Path], tiny_atlas_path: Path, tiny_cells: Any, tmp_path: Path
) -> None:
    peak = {}
    for n_cells in (20_000, 200_000):
        path, out = many_cells(n_cells), tmp_path / "out.h5ad"
        command = script(ENTRY + PEAK, "map", tiny_atlas_path, path, "-o", out)
        done = subprocess.run(command, capture_output=True, text=True, cwd="/")
        assert done.returncode == 0, done.stderr
        peak[n_cells] = int(done.stdout.split()[-1]) * 1024
    with h5py.File(out) as file:
        assert file["obsm/X_cellport"].shape[0] >= 200_000
    assert peak[200_000] < 1.3 * peak[20_000]
    # sharper: what is added is a fraction of the cells' counts, or of their results
    of_a_cell = 8 * tiny_cells.counts.nnz / tiny_cells.counts.shape[0]
    assert peak[200_000] - peak[20_000] < 0.2 * 180_000 * of_a_cell


# --- Ctrl-C


def _interrupt(command: list[str], begun: Callable[[], object]) -> tuple[int, str, float]:
    """Press Ctrl-C when a command has begun its work; return exit code, stderr and seconds."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/"
    )
    try:
        deadline = time.monotonic() + 120
        while not begun():
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        pressed = time.monotonic()
        stdout, stderr = process.communicate(timeout=60)
    finally:
        process.kill()
    assert stdout == ""
    return process.returncode, stderr, time.monotonic() - pressed


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
@pytest.mark.parametrize("suffix", [".h5ad", ".csv", ".parquet"])
def test_ctrl_c_while_mapping(
    suffix: str, many_cells: Callable[[int], Path], tiny_atlas_path: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    out = folder / f"out{suffix}"
    out.write_text("of an earlier run")
    command = script(
        f"{ENTRY}main()", "map", tiny_atlas_path, many_cells(200_000), "-o", out,
        "--block-cells", 16,
    )  # fmt: skip
    code, stderr, seconds = _interrupt(command, lambda: len(list(folder.iterdir())) > 1)
    assert code == 130, stderr
    # half a second on an idle machine, and no longer for a larger file
    assert seconds < 3
    assert "Traceback" not in stderr
    assert stderr.splitlines()[-1] == "Error: Stopped; nothing was written."
    assert list(folder.iterdir()) == [out]
    assert out.read_text() == "of an earlier run"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_training_goes_on_after_ctrl_c(
    query: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same command again gives, byte for byte, the atlas of a run that nobody stopped."""
    reference = _plain_h5ad(query, tmp_path / "reference")

    def arguments(folder: str) -> list[object]:
        (tmp_path / folder).mkdir(exist_ok=True)
        return [
            "train", reference, "-o", tmp_path / folder / "tiny.cellport", "--labels", "cell_type",
            "--batch", "donor", "--genes", 60, "--latent", 4, "--epochs", 25, "--device", "cpu",
        ]  # fmt: skip

    stopped = tmp_path / "stopped"
    checkpoint = stopped / "tiny.cellport.checkpoint"
    command = script(f"{ENTRY}main()", *arguments("stopped"))
    code, stderr, _ = _interrupt(command, checkpoint.exists)
    assert code == 130, stderr
    assert "Traceback" not in stderr
    assert stderr.splitlines()[-1].startswith("Error: Stopped; no atlas was written.")
    assert [path.name for path in stopped.iterdir()] == [checkpoint.name]
    done = torch.load(checkpoint, weights_only=True)["state"]["epoch"]
    assert 1 <= done < 25

    epochs: list[int] = []

    def watch(progress: Any) -> None:
        if progress.part == "model" and not progress.within:
            epochs.append(progress.epoch)

    @contextmanager
    def watched() -> Any:
        yield watch

    monkeypatch.setattr("cellport.screen.training", watched)
    cellport(*arguments("stopped"))
    assert epochs == list(range(done + 1, 26))
    epochs.clear()
    cellport(*arguments("undisturbed"))
    assert epochs == list(range(1, 26))
    assert [path.name for path in stopped.iterdir()] == ["tiny.cellport"]
    whole = (tmp_path / "undisturbed" / "tiny.cellport").read_bytes()
    assert (stopped / "tiny.cellport").read_bytes() == whole


# --- real cells


@pytest.mark.slow
def test_real_cells_of_another_technology(data_dir: Path, tmp_path: Path) -> None:
    """10x cells of the lung in, Smart-seq2 cells of other chemistry labelled, by two commands."""
    lung = anndata.read_h5ad(data_dir / "human_lung_hlca.h5ad")
    is_10x = (lung.obs["technology"] == "10x_v2").to_numpy()
    lung[is_10x].copy().write_h5ad(tmp_path / "lung_10x.h5ad")
    new = lung[~is_10x].copy()
    new.write_h5ad(tmp_path / "smartseq2.h5ad")
    atlas, out = tmp_path / "lung.cellport", tmp_path / "mapped.h5ad"
    cellport(
        "train", tmp_path / "lung_10x.h5ad", "-o", atlas, "--labels", "cell_type_coarse",
        "--batch", "donor", "--epochs", 30,
    )  # fmt: skip
    cellport("verify", atlas)
    cellport("map", atlas, tmp_path / "smartseq2.h5ad", "-o", out)
    found = anndata.read_h5ad(out)
    assert found.obs_names.tolist() == new.obs_names.tolist()
    truth = new.obs["cell_type_coarse"].astype(str).to_numpy()
    labels = load_atlas(atlas).manifest.labels
    known = np.isin(truth, labels)
    assert known.mean() > 0.9
    right = found.obs["cellport_label"].astype(str).to_numpy()[known] == truth[known]
    assert right.mean() > 0.8
    uns = found.uns["cellport"]
    assert uns["genes"]["n_matched"] == 2000
    assert uns["atlas_sha256"] == load_atlas(atlas).file.sha256
