"""Whatever a user can get wrong: one plain sentence, exit code 2, nothing half-written."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from click.testing import CliRunner, Result

from cellport.cli import main
from cellport.runtime.mapping.genes.information import label_information


def cellport(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def refusal(result: Result) -> str:
    """Return the one sentence on stderr, sure that there is nothing else anywhere."""
    assert result.exit_code == 2, (result.stdout, result.stderr, result.exception)
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ")
    return line


@pytest.fixture
def out(tmp_path: Path) -> Iterator[Path]:
    """An output in a folder that must be empty at the end of the test."""
    folder = tmp_path / "results"
    folder.mkdir()
    yield folder / "out.h5ad"
    assert list(folder.iterdir()) == []


@pytest.fixture
def atlas_out(out: Path) -> Path:
    return out.with_name("new.cellport")


@pytest.fixture
def query(tiny_cells: Any) -> Any:
    return tiny_cells.adata()


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    def write(adata: Any, name: str = "query.h5ad") -> Path:
        adata.write_h5ad(tmp_path / name)
        return tmp_path / name

    return write


@pytest.fixture
def reference(query: Any, save: Callable[..., Path]) -> Path:
    return save(query, "reference.h5ad")


# --- files that cannot be read


def test_no_such_file(tiny_atlas_path: Path, reference: Path, out: Path) -> None:
    wrong = reference.with_name("refrence.h5ad")
    said = refusal(cellport("map", tiny_atlas_path, wrong, "-o", out))
    assert f"no file {wrong}. Did you mean 'reference.h5ad'?" in said
    assert "no file" in refusal(cellport("train", wrong, "-o", out.with_name("a.cellport")))


def test_no_such_file_among_several(tiny_atlas_path: Path, reference: Path, out: Path) -> None:
    wrong = reference.with_name("other.h5ad")
    assert str(wrong) in refusal(cellport("map", tiny_atlas_path, reference, wrong, "-o", out))


def test_not_hdf5(tiny_atlas_path: Path, tmp_path: Path, out: Path) -> None:
    path = tmp_path / "query.h5ad"
    path.write_text("<html>404 Not Found</html>")
    said = refusal(cellport("map", tiny_atlas_path, path, "-o", out))
    assert f"{path} is a web page (HTML) that was saved in place of the file" in said


@pytest.mark.parametrize("kept", [0.02, 0.5, 0.999])
def test_truncated_h5ad(kept: float, tiny_atlas_path: Path, reference: Path, out: Path) -> None:
    whole = reference.read_bytes()
    reference.write_bytes(whole[: int(kept * len(whole))])
    said = refusal(cellport("map", tiny_atlas_path, reference, "-o", out))
    assert f"{reference} is truncated: it is shorter than it says. Download" in said


def test_h5ad_without_x(
    tiny_atlas_path: Path, query: Any, save: Callable[..., Path], out: Path
) -> None:
    query.X = None
    path = save(query)
    said = refusal(cellport("map", tiny_atlas_path, path, "-o", out))
    assert f"{path} has no X, no layers and no raw; there are no counts in it." in said


def test_zero_cells(
    tiny_atlas_path: Path, query: Any, save: Callable[..., Path], out: Path, atlas_out: Path
) -> None:
    path = save(query[:0].copy())
    assert f"{path} has no cells." in refusal(cellport("map", tiny_atlas_path, path, "-o", out))
    assert f"{path} has no cells." in refusal(cellport("train", path, "-o", atlas_out))


# --- values that are no counts


def _normalised(counts: np.ndarray) -> np.ndarray:
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1) * 1e4


def _scaled(counts: np.ndarray) -> np.ndarray:
    logged = np.log1p(_normalised(counts))
    return (logged - logged.mean(axis=0)) / (logged.std(axis=0) + 1e-3)


def _expected_counts(counts: np.ndarray) -> np.ndarray:
    return counts + (counts > 1) * np.random.default_rng(0).random(counts.shape)


def _with(value: float) -> Callable[[np.ndarray], np.ndarray]:
    def put(counts: np.ndarray) -> np.ndarray:
        counts = counts.copy()
        counts[-1, np.flatnonzero(counts[-1])[0]] = value
        return counts

    return put


NOT_COUNTS = {
    "normalised values": _normalised,
    "log-normalised values": lambda counts: np.log1p(_normalised(counts)),
    "scaled values (some are negative)": _scaled,
    "some are negative": _with(-1),
    "missing values (NaN)": _with(np.nan),
    "infinite values": _with(np.inf),
    "values that are not whole numbers": _expected_counts,
}
each_kind = pytest.mark.parametrize("kind", NOT_COUNTS)


def _changed(query: Any, kind: str, stored: Callable[[Any], Any] = sp.csr_matrix) -> Any:
    query.X = stored(NOT_COUNTS[kind](query.X.toarray()).astype(np.float32))
    return query


@each_kind
@pytest.mark.parametrize("stored", [sp.csr_matrix, sp.csc_matrix, np.asarray])
def test_values_that_are_no_counts(
    kind: str,
    stored: Any,
    tiny_atlas_path: Path,
    query: Any,
    save: Callable[..., Path],
    out: Path,
) -> None:
    path = save(_changed(query, kind, stored))
    said = refusal(cellport("map", tiny_atlas_path, path, "-o", out))
    assert f"{path} holds no raw counts: X holds " in said
    assert kind in said
    assert "use the file from before normalisation" in said


@each_kind
def test_training_refuses_them_too(
    kind: str, query: Any, save: Callable[..., Path], atlas_out: Path
) -> None:
    path = save(_changed(query, kind))
    assert kind in refusal(cellport("train", path, "-o", atlas_out))


@pytest.mark.parametrize("place", ["layers['counts']", "layers['spliced sum']", "raw/X"])
@each_kind
def test_counts_elsewhere_are_used_and_named(
    kind: str, place: str, tiny_atlas_path: Path, query: Any, save: Callable[..., Path], out: Path
) -> None:
    if place == "raw/X":
        query.raw = query.copy()
    else:
        query.layers[place.split("'")[1]] = query.X.copy()
    path = save(_changed(query, kind))
    # asked for X by name, it is not silently taken from elsewhere
    said = refusal(cellport("map", tiny_atlas_path, path, "-o", out, "--layer", "X"))
    assert f"{path}: X holds " in said
    assert kind in said
    assert f" instead of raw counts. Raw counts are in {place}." in said
    result = cellport("map", tiny_atlas_path, path, "-o", out)
    assert result.exit_code == 0, result.stderr
    assert f"raw counts were found in {place} and used." in result.stderr
    out.unlink()


def test_a_layer_that_is_not_there(tiny_atlas_path: Path, query: Any, save: Any, out: Path) -> None:
    query.layers["counts"] = query.X
    path = save(query)
    said = refusal(cellport("map", tiny_atlas_path, path, "-o", out, "--layer", "count"))
    assert f"{path} has no layer 'count'. Did you mean 'counts'?" in said


@pytest.mark.parametrize(
    ("value", "word"),
    [(-1, "negative"), (np.nan, "missing (NaN)"), (np.inf, "infinite"), (0.5, "not whole")],
)
def test_one_bad_value_deep_in_the_file(
    value: float, word: str, tiny_atlas_path: Path, query: Any, save: Any, out: Path
) -> None:
    """The gate looks at samples first; a value between them is met while the output is open."""
    query.X.data[query.X.indptr[50]] = value
    path = save(query)
    command = ("map", tiny_atlas_path, path, "-o", out, "--block-cells", 10)
    result = cellport(*command)
    assert result.exit_code == 2
    *before, said = result.stderr.splitlines()
    assert not any("Error" in line for line in before)
    assert said.startswith(f"Error: {path}, X, cells 50 to 59: ")
    assert f"1 {word}" in said
    assert "raw counts are needed in every cell" in said


# --- genes


def test_too_few_genes(tiny_atlas_path: Path, query: Any, save: Any, out: Path) -> None:
    path = save(query[:, :20].copy())
    said = refusal(cellport("map", tiny_atlas_path, path, "-o", out))
    assert "of the atlas's 100 genes are in" in said
    assert str(path) in said
    assert "at least 20% are needed" in said
    assert "The names are right" in said
    assert "--minimum-genes 0.1" in said
    query.var_names = [f"feature {i}" for i in range(query.n_vars)]
    del query.var["gene_id"]
    said = refusal(cellport("map", tiny_atlas_path, save(query), "-o", out))
    assert "The names there look like 'feature 0'" in said
    assert "Put gene symbols or Ensembl ids into the index or any text column of var." in said


def _share(atlas: Any, query: Any) -> float:
    return float(np.isin(atlas.manifest.panel.symbols, query.var_names).mean())


def test_genes_of_nobody(tiny_atlas_path: Path, query: Any, save: Any, out: Path) -> None:
    query.var_names = [f"locus_{i}" for i in range(query.n_vars)]
    del query.var["gene_id"]
    said = refusal(cellport("map", tiny_atlas_path, save(query), "-o", out))
    assert "Only 0 of the atlas's 100 genes" in said
    assert "'locus_0', 'locus_1'" in said


def test_fewer_genes_than_a_fifth_are_refused(
    tiny_atlas_path: Path, tiny_atlas: Any, query: Any, save: Any, out: Path
) -> None:
    used = np.flatnonzero(query.var_names.isin(tiny_atlas.manifest.panel.symbols))
    for n_genes, code in ((19, 2), (20, 0)):
        path = save(query[:, used[:n_genes]].copy())
        assert cellport("map", tiny_atlas_path, path, "-o", out).exit_code == code, n_genes
    out.unlink()


def test_genes_that_tell_too_little_are_warned_of_to_the_gene(
    tiny_atlas_path: Path, tiny_atlas: Any, query: Any, save: Any, out: Path
) -> None:
    symbols = list(tiny_atlas.manifest.panel.symbols)
    used = np.flatnonzero(query.var_names.isin(symbols))
    asked = tiny_atlas.manifest.thresholds.low_gene_coverage
    told = [
        label_information(tiny_atlas, np.isin(symbols, query.var_names[used[:n_genes]]))
        for n_genes in range(1, 101)
    ]
    first = 1 + int(np.searchsorted(told, asked))
    assert 1 < first < 100
    for n_genes in (first - 1, first):
        path, warned = save(query[:, used[:n_genes]].copy()), n_genes < first
        result = cellport("map", tiny_atlas_path, path, "-o", out, "--minimum-genes", "0")
        assert result.exit_code == 0
        assert ("labels are less sure below 75%" in result.stderr) == warned
        out.unlink()


def test_the_share_of_genes_can_be_lowered(
    tiny_atlas_path: Path, tiny_atlas: Any, query: Any, save: Any, out: Path
) -> None:
    few = query[:, :20].copy()
    assert 0.05 < _share(tiny_atlas, few) < 0.2
    result = cellport("map", tiny_atlas_path, save(few), "-o", out, "--minimum-genes", 0.05)
    assert result.exit_code == 0
    out.unlink()


def test_mouse_genes_on_a_human_atlas(
    tiny_atlas_path: Path, query: Any, save: Any, out: Path
) -> None:
    query.var_names = [name.capitalize() for name in query.var_names]
    del query.var["gene_id"]
    said = refusal(cellport("map", tiny_atlas_path, save(query), "-o", out))
    assert "look like mouse" in said
    assert "but the atlas is human" in said
    assert refusal(cellport("map", tiny_atlas_path, save(query), "-o", out, "--minimum-genes", 0))


def test_duplicate_genes_are_summed(
    tiny_atlas_path: Path, query: Any, save: Any, out: Path
) -> None:
    """Counts split at random over two columns of the same name map as the whole does."""
    counts = query.X.tocsr()
    first = counts.copy()
    first.data = np.random.default_rng(0).binomial(counts.data.astype(int), 0.5).astype(np.float32)
    halves = sp.hstack([first, counts - first], format="csr")
    var = query.var.iloc[[*range(query.n_vars)] * 2]
    with pytest.warns(UserWarning, match="names are not unique"):
        split = anndata.AnnData(halves, obs=query.obs, var=var)
    found = []
    for adata in (query, split):
        result = cellport("map", tiny_atlas_path, save(adata), "-o", out)
        assert result.exit_code == 0
        found.append(anndata.read_h5ad(out))
        out.unlink()
    assert "100 genes of" in result.stderr
    assert "repeat the name of another; their counts were summed." in result.stderr
    whole, summed = found
    np.testing.assert_array_equal(summed.obsm["X_cellport"], whole.obsm["X_cellport"])
    np.testing.assert_array_equal(summed.obs["cellport_prob"], whole.obs["cellport_prob"])


@pytest.mark.parametrize("unique", [False, True])
def test_antibodies_beside_genes_change_nothing(
    tiny_atlas_path: Path, query: Any, save: Any, out: Path, unique: bool
) -> None:
    del query.var["gene_id"]
    result = cellport("map", tiny_atlas_path, save(query), "-o", out)
    alone = anndata.read_h5ad(out)
    out.unlink()
    tags = sp.csr_matrix(np.random.default_rng(0).poisson(300, (query.n_obs, 9)), dtype=np.float32)
    kinds = ["Antibody Capture"] * 9 + ["Gene Expression"] * query.n_vars
    var = pd.DataFrame({"feature_types": kinds})
    var.index = pd.Index([*query.var_names[:9], *query.var_names])
    counts = sp.hstack([tags, query.X], format="csr")
    with pytest.warns(UserWarning, match="names are not unique"):
        cite = anndata.AnnData(counts, obs=query.obs, var=var)
    if unique:
        cite.var_names_make_unique()
    result = cellport("map", tiny_atlas_path, save(cite), "-o", out)
    assert result.exit_code == 0
    assert "Features that are not genes were left out: 9 Antibody Capture." in result.stderr
    assert np.array_equal(anndata.read_h5ad(out).obsm["X_cellport"], alone.obsm["X_cellport"])
    out.unlink()


# --- cells


def test_duplicate_cell_names_are_kept(
    tiny_atlas_path: Path, query: Any, save: Any, out: Path
) -> None:
    names = [f"cell{i // 2}" for i in range(query.n_obs)]
    with pytest.warns(UserWarning, match="names are not unique"):
        twice = anndata.AnnData(query.X, obs=query.obs.set_axis(names), var=query.var)
    assert cellport("map", tiny_atlas_path, save(twice), "-o", out).exit_code == 0
    with pytest.warns(UserWarning, match="names are not unique"):
        assert anndata.read_h5ad(out).obs_names.tolist() == names
    out.unlink()


@pytest.mark.parametrize("share", [0.1, 1.0])
def test_empty_cells_are_kept_and_flagged(
    share: float, tiny_atlas_path: Path, query: Any, save: Any, out: Path
) -> None:
    empty = np.arange(query.n_obs) < share * query.n_obs
    query.X = sp.diags(np.where(empty, 0.0, 1.0).astype(np.float32)) @ query.X
    query.X.eliminate_zeros()
    result = cellport("map", tiny_atlas_path, save(query), "-o", out)
    assert result.exit_code == 0, result.stderr
    assert f"{empty.sum()} empty" in result.stdout
    found = anndata.read_h5ad(out)
    assert found.obs_names.tolist() == query.obs_names.tolist()
    np.testing.assert_array_equal(found.obs["cellport_qc"] == "empty", empty)
    for column in ("cellport_label", "cellport_call"):
        np.testing.assert_array_equal(found.obs[column] == "unknown", empty)
    assert (found.obs["cellport_prob"][empty] == 0).all()
    np.testing.assert_array_equal(found.obs.pop("cellport_cluster").isna(), empty)
    assert not found.obs.isna().any(axis=None)
    assert np.isfinite(found.obsm["X_cellport"]).all()
    out.unlink()


# --- annotations to train on


@pytest.mark.parametrize(
    ("option", "wrong", "near"),
    [("--labels", "celltype", "cell_type"), ("--batch", "doner", "donor")],
)
def test_column_missing(
    option: str, wrong: str, near: str, reference: Path, atlas_out: Path
) -> None:
    said = refusal(cellport("train", reference, "-o", atlas_out, option, wrong))
    assert f"{reference}, obs has no column '{wrong}'. Did you mean '{near}'?" in said


def test_column_unlike_any(reference: Path, atlas_out: Path) -> None:
    said = refusal(cellport("train", reference, "-o", atlas_out, "--labels", "xyz"))
    assert "There are: 'cell_type', 'donor'." in said


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["T cell"], "holds only one value, 'T cell'"),
        (["T cell", "", "Unknown", "nan"], "holds only one value, 'T cell'"),
        (["", "NA"], "holds no label at all"),
    ],
)
def test_one_label_only(
    values: list[str], message: str, query: Any, save: Any, atlas_out: Path
) -> None:
    query.obs["cell_type"] = [values[i % len(values)] for i in range(query.n_obs)]
    path = save(query)
    said = refusal(cellport("train", path, "-o", atlas_out, "--labels", "cell_type"))
    assert f"{path}, X: obs column 'cell_type' {message}" in said
    assert "Name another column, or leave the labels out" in said


def test_too_few_cells(query: Any, save: Any, atlas_out: Path) -> None:
    said = refusal(cellport("train", save(query[:19].copy()), "-o", atlas_out))
    assert "query.h5ad, X has 19 cells; training needs at least 20." in said


# --- the atlas


def test_no_such_atlas(reference: Path, out: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "lung.cellport"
    for command in (("map", wrong, reference, "-o", out), ("info", wrong), ("verify", wrong)):
        assert f"No such atlas file: {wrong}." in refusal(cellport(*command))


def test_a_query_is_no_atlas(reference: Path, out: Path) -> None:
    said = refusal(cellport("map", reference, reference, "-o", out))
    assert f"{reference} is not a whole cellport atlas" in said


def test_atlas_of_a_newer_format(
    rewritten_atlas: Any, reference: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("cellport.runtime.atlas.manifest.FORMAT_VERSION", 2)
        newer = rewritten_atlas()
    for command in (("map", newer, reference, "-o", out), ("info", newer), ("verify", newer)):
        said = refusal(cellport(*command))
        assert f"{newer.name} has atlas format 2" in said
        assert "Update cellport." in said


def test_atlas_for_a_newer_cellport(rewritten_atlas: Any, reference: Path, out: Path) -> None:
    newer = rewritten_atlas(minimum_runtime="99.1")
    said = refusal(cellport("map", newer, reference, "-o", out))
    assert "needs cellport 99.1 or newer" in said
    assert "Update cellport." in said


def test_atlas_with_one_flipped_byte(
    tiny_atlas_path: Path, reference: Path, out: Path, tmp_path: Path
) -> None:
    whole = bytearray(tiny_atlas_path.read_bytes())
    damaged = tmp_path / "damaged.cellport"
    ends = [0, 1, len(whole) - 65, len(whole) - 64, len(whole) - 1]
    rng = np.random.default_rng(0)
    for position in [*ends, *rng.integers(0, len(whole), 40).tolist()]:
        whole[position] ^= 1 << rng.integers(8)
        damaged.write_bytes(whole)
        said = refusal(cellport("map", damaged, reference, "-o", out))
        assert f"{damaged} is damaged" in said or f"{damaged} is not a whole" in said
        whole[:] = tiny_atlas_path.read_bytes()


# --- the output


@pytest.mark.parametrize("command", ["map", "train"])
def test_output_folder_missing(
    command: str, tiny_atlas_path: Path, reference: Path, out: Path
) -> None:
    inputs = [tiny_atlas_path, reference] if command == "map" else [reference]
    said = refusal(cellport(command, *inputs, "-o", out.parent / "nowhere" / out.name))
    assert "nowhere" in said
    assert "does not exist" in said


@pytest.mark.parametrize("command", ["map", "train"])
def test_output_folder_not_writable(
    command: str, tiny_atlas_path: Path, reference: Path, out: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != out.parent)
    inputs = [tiny_atlas_path, reference] if command == "map" else [reference]
    said = refusal(cellport(command, *inputs, "-o", out))
    assert str(out) in said
    assert "not writable" in said or "cannot be written" in said


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc")
@pytest.mark.parametrize("suffix", [".h5ad", ".csv", ".parquet"])
def test_output_folder_that_says_it_is_writable_and_is_not(
    suffix: str, tiny_atlas_path: Path, reference: Path
) -> None:
    result = cellport("map", tiny_atlas_path, reference, "-o", f"/proc/out{suffix}")
    assert result.exit_code == 2
    said = result.stderr.splitlines()[-1]
    assert said.startswith("Error: ")
    assert f"/proc/out{suffix}" in said


@pytest.mark.parametrize("command", ["map", "train"])
def test_output_is_an_input(command: str, tiny_atlas_path: Path, reference: Path) -> None:
    before = reference.read_bytes()
    inputs = [tiny_atlas_path, reference] if command == "map" else [reference]
    said = refusal(cellport(command, *inputs, "-o", reference))
    assert "would replace" in said
    assert reference.read_bytes() == before


def test_output_is_the_atlas(rewritten_atlas: Any, reference: Path, tmp_path: Path) -> None:
    atlas = rewritten_atlas().rename(tmp_path / "atlas.h5ad")
    before = atlas.read_bytes()
    assert "also an input" in refusal(cellport("map", atlas, reference, "-o", atlas))
    assert atlas.read_bytes() == before


@pytest.mark.parametrize("command", ["map", "train"])
def test_output_is_a_folder_or_a_device(
    command: str, tiny_atlas_path: Path, reference: Path, tmp_path: Path
) -> None:
    inputs = [tiny_atlas_path, reference] if command == "map" else [reference]
    (tmp_path / "folder.h5ad").mkdir()
    refusal(cellport(command, *inputs, "-o", tmp_path / "folder.h5ad"))
    os.mkfifo(tmp_path / "pipe.h5ad")
    refusal(cellport(command, *inputs, "-o", tmp_path / "pipe.h5ad"))
    assert (tmp_path / "pipe.h5ad").is_fifo()


@pytest.mark.parametrize("name", ["out.xlsx", "out"])
def test_output_of_no_known_format(
    name: str, tiny_atlas_path: Path, reference: Path, out: Path
) -> None:
    said = refusal(cellport("map", tiny_atlas_path, reference, "-o", out.with_name(name)))
    assert "let it end in .h5ad, .zarr, .csv" in said


def _disk_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)


@pytest.mark.parametrize("suffix", [".h5ad", ".csv", ".csv.gz", ".parquet"])
def test_disk_full_while_mapping(
    suffix: str, tiny_atlas_path: Path, reference: Path, out: Path, monkeypatch: Any
) -> None:
    path = out.with_name(f"out{suffix}")
    _disk_is_full(monkeypatch)
    result = cellport("map", tiny_atlas_path, reference, "-o", path)
    assert result.exit_code == 2
    assert (
        result.stderr.splitlines()[-1] == f"Error: Cannot write '{path}': "
        "the disk is full. Free some space or write elsewhere."
    )


def test_disk_full_while_writing_the_atlas(
    tiny_atlas: Any, reference: Path, atlas_out: Path, monkeypatch: Any
) -> None:
    members = {name: bytes(tiny_atlas.read(name)) for name in tiny_atlas.members}
    trained = (tiny_atlas.manifest, members)
    monkeypatch.setattr("cellport.train.api.build_atlas", lambda *_: trained)
    _disk_is_full(monkeypatch)
    said = refusal(cellport("train", reference, "-o", atlas_out))
    assert f"{atlas_out} cannot be written: No space left on device." in said


LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, 4_000))
sys.argv[0] = "cellport"
from cellport.cli import main
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs resource limits")
@pytest.mark.parametrize("suffix", [".h5ad", ".csv", ".parquet"])
def test_files_may_not_grow(suffix: str, tiny_atlas_path: Path, reference: Path, out: Path) -> None:
    """A failing write as the system makes it, through every library that writes."""
    path = out.with_name(f"out{suffix}")
    # what is run there is not counted (.ci/cover.py): a count could not be written either
    plain = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE_")}
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, "map", tiny_atlas_path, reference, "-o", path],
        capture_output=True,
        text=True,
        env={**plain, "PYTHONDONTWRITEBYTECODE": "1"},
        cwd="/",
    )
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith(f"Error: Cannot write '{path}': ")
    assert "File too large" in done.stderr


# --- packages that are not installed

HIDDEN = """
import sys

hidden = set(sys.argv.pop(1).split(","))

class Without:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            return None
        return self.finder.find_spec(name, path, target)

    def __getattr__(self, name):
        return getattr(self.finder, name)

sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
sys.argv[0] = "cellport"
from cellport.cli import main
main()
"""


def _without(packages: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    words = [str(argument) for argument in arguments]
    command = [sys.executable, "-c", HIDDEN, packages, *words]
    return subprocess.run(command, capture_output=True, text=True, cwd="/")


@pytest.mark.parametrize("command", ["train", "demo"])
def test_training_without_its_packages(command: str, reference: Path, atlas_out: Path) -> None:
    inputs = [reference] if command == "train" else []
    done = _without("torch,onnx", command, *inputs, "-o", atlas_out)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == "Error: Training needs onnx, torch: pip install 'cellport[train,cpu]'.\n"


def test_mapping_without_onnxruntime(tiny_atlas_path: Path, reference: Path, out: Path) -> None:
    done = _without("onnxruntime", "map", tiny_atlas_path, reference, "-o", out)
    assert done.returncode == 2
    assert done.stdout == ""
    (said,) = done.stderr.splitlines()
    assert said.startswith("Error: Mapping needs ONNX Runtime")
    assert "pip install 'cellport[cpu]'" in said
    assert "pip install 'cellport[gpu]'" in said


def test_parquet_without_pyarrow(tiny_atlas_path: Path, reference: Path, out: Path) -> None:
    path = out.with_suffix(".parquet")
    done = _without("pyarrow", "map", tiny_atlas_path, reference, "-o", path)
    assert done.returncode == 2
    assert "pyarrow" in done.stderr.splitlines()[-1]
    assert "pip install" in done.stderr.splitlines()[-1]
