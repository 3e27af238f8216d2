"""The command line: what people and pipelines read, and nothing else where it does not belong."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from numpy.testing import assert_array_equal

import cellport
from cellport import screen
from cellport.cli import main
from cellport.ctrl_c import remembered
from cellport.kernels import machine_code
from cellport.runtime.atlas.file import npy_bytes
from cellport.runtime.atlas.manifest import Calibration, HeldOut, ReliabilityBin, SetScores

COMMANDS = ("train", "map", "info", "verify", "demo")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def as_json(result: Result) -> Any:
    """Parse stdout strictly: JSON knows neither NaN nor Infinity."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(result.stdout, parse_constant=refuse)


@pytest.fixture
def query(tiny_cells: Any, tmp_path: Path) -> Path:
    tiny_cells.adata().write_h5ad(tmp_path / "query.h5ad")
    return tmp_path / "query.h5ad"


@pytest.fixture
def failing_atlas(rewritten_atlas: Any, tiny_atlas: Any) -> Path:
    """An atlas, whole and sealed, whose stored answers are not those of its graph."""
    latent = tiny_atlas.array("canary_latent") + 1
    return rewritten_atlas({"arrays/canary_latent.npy": npy_bytes(latent)})


# --- help and version


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_names_every_command(flag: str) -> None:
    result = run(flag)
    assert result.exit_code == 0
    for command in COMMANDS:
        assert re.search(rf"^  {command} ", result.stdout, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert f"Usage: main {command}" in result.stdout
    assert "--json" in result.stdout


def test_version() -> None:
    result = run("--version")
    assert result.exit_code == 0
    assert result.stdout == f"cellport {cellport.__version__}\n"


def test_as_a_module() -> None:
    command = [sys.executable, "-m", "cellport", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", check=True)
    assert done.stdout == f"cellport {cellport.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mop"], "No such command 'mop'"),
        (["map", "a.cellport"], "Missing argument 'QUERY...'"),
        (["map", "a.cellport", "q.h5ad"], "Missing option '-o'"),
        (["map", "a", "q", "-o", "o.h5ad", "--threads", "0"], "0 is not in the range x>=1"),
        (["map", "a", "q", "-o", "o.h5ad", "--device", "tpu"], "'tpu' is not one of"),
        (["train", "r.h5ad", "-o", "a.cellport", "--epochs", "0"], "0 is not in the range x>=1"),
    ],
)
def test_wrong_usage(arguments: list[str], message: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert message in result.stderr


# --- info


def test_info(tiny_atlas_path: Path, tiny_atlas: Any) -> None:
    result = run("info", tiny_atlas_path)
    assert result.exit_code == 0
    assert result.stderr == ""
    for text in ("tiny", tiny_atlas.sha256, "human", "240 cells", "alpha, beta, gamma", "north"):
        assert text in result.stdout


def test_info_tells_how_good_it_is(rewritten_atlas: Any, tiny_atlas: Any) -> None:
    scores = HeldOut(
        by="batch",
        cells=1207,
        accuracy=0.9,
        macro_f1=0.8,
        ece=0.02,
        by_label={},
        reliability=(ReliabilityBin(0.8, 0.9, 1200, 0.85, 0.81), ReliabilityBin(0.9, 1, 0, 0, 0)),
        sets=SetScores(0.9, 0.912, 1.25, 0.9, 1.5),
    )
    head = replace(tiny_atlas.manifest.head, calibration=Calibration("left_out_batches", 0.35))
    words = " ".join(run("info", rewritten_atlas(held_out=scores, head=head)).stdout.split())
    assert "accuracy 0.900, macro-F1 0.800" in words
    assert "on 1,207 cells of unseen batches" in words
    assert "softness 0.35 (0 leaves" in words
    assert "91.2% of held-out cells (meant: 90%), 1.25 labels" in words
    call_prob = tiny_atlas.manifest.thresholds.call_prob
    assert f"call_prob {call_prob:g} (probability from which" in words
    assert "0.80 to 0.90 │ 1,200 │ 0.85 │ 0.81" in words
    assert "0.90 to 1.00" not in words


def test_info_names_some_of_many_labels(
    tiny_atlas: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    names = tuple(f"type{at}" for at in range(500))
    parents = {name: f"group{at // 4}" for at, name in enumerate(names)}
    manifest = replace(tiny_atlas.manifest, labels=names, parents=parents)
    screen.atlas(replace(tiny_atlas, manifest=manifest))
    words = " ".join(capsys.readouterr().out.split())
    assert "500: type0, type1, " in words
    assert "type59 and 440 more" in words
    assert "type60" not in words
    assert "125: group0, " in words
    assert "group59 and 65 more" in words


def test_info_without_held_out_cells(rewritten_atlas: Any) -> None:
    result = run("info", rewritten_atlas(held_out=None))
    assert result.exit_code == 0
    assert "calibration error" not in result.stdout
    assert "by probability" not in result.stdout


def test_info_tells_the_shape_of_the_cells(
    rewritten_atlas: Any, tiny_atlas: Any, tiny_path_atlas: Path
) -> None:
    words = " ".join(run("info", tiny_atlas.path).stdout.split())
    assert re.search(r"clusters \d+ trajectory none: the cells do not hang together", words)
    words = " ".join(run("info", tiny_path_atlas).stdout.split())
    assert "trajectory stem -> " in words
    assert "starts at stem (" in words


def test_info_as_json(tiny_atlas_path: Path, tiny_atlas: Any) -> None:
    result = run("info", tiny_atlas_path, "--json")
    assert result.stderr == ""
    found = as_json(result)
    assert found["path"] == str(tiny_atlas_path)
    assert found["sha256"] == tiny_atlas.sha256
    assert found["format_version"] == 1
    assert found["labels"] == ["alpha", "beta", "gamma"]
    assert found["panel"]["symbols"] == list(tiny_atlas.manifest.panel.symbols)
    assert found["symbols"] == found["panel"]["symbols"]
    assert found["ensembl"] == found["panel"]["ensembl"]
    assert found["members"] == tiny_atlas.members
    assert found["provenance"]["cells"] == 240


def test_names_that_look_like_markup(rewritten_atlas: Any, query: Path, tmp_path: Path) -> None:
    """Brackets and colons in names are letters, in tables as in notes."""
    labels = ("T cell [red]", "[/b] cell", ":warning: cell")
    path = rewritten_atlas(labels=labels, parents={}, name="[bold]lung[/bold]")
    for text in (*labels, "[bold]lung[/bold]"):
        assert text in run("info", path).stdout
    odd = query.rename(tmp_path / "[dim]query.h5ad")
    result = run("map", path, odd, "-o", tmp_path / "out.h5ad")
    assert result.exit_code == 0, result.stderr
    assert f"{odd}, X: 240 cells" in result.stderr
    for label in labels:
        assert label in result.stdout


# --- verify


def test_verify(tiny_atlas_path: Path) -> None:
    result = run("verify", tiny_atlas_path)
    assert result.exit_code == 0
    assert "FAILED" not in result.stdout
    assert result.stdout.count("passed") == 15
    found = as_json(run("verify", tiny_atlas_path, "--json"))
    assert found["passed"] is True
    assert len(found["checks"]) == 15
    assert all(check["passed"] for check in found["checks"])


def test_verify_that_fails(failing_atlas: Path) -> None:
    result = run("verify", failing_atlas)
    assert result.exit_code == 1
    assert result.stdout.count("FAILED") == 2
    result = run("verify", failing_atlas, "--json")
    assert result.exit_code == 1
    found = as_json(result)
    assert found["passed"] is False
    failed = [check["name"] for check in found["checks"] if not check["passed"]]
    assert failed == ["encoder.onnx, latent", "fused path, latent"]


def test_verify_with_an_infinite_difference(rewritten_atlas: Any, tiny_atlas: Any) -> None:
    """Answers of another shape differ by infinity, which JSON cannot say."""
    members = {
        f"arrays/{name}.npy": npy_bytes(tiny_atlas.array(name)[:, :-1])
        for name in ("canary_latent", "reference_latent")
    }
    path = rewritten_atlas(members, n_latent=tiny_atlas.manifest.n_latent - 1)
    result = run("verify", path, "--json")
    assert result.exit_code == 1
    assert as_json(result)["checks"][0]["difference"] is None


# --- map


def test_map_says_what_it_did(tiny_atlas_path: Path, query: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.h5ad"
    result = run("map", tiny_atlas_path, query, "-o", out)
    assert result.exit_code == 0
    assert "240 cells; 100 of 100 atlas genes found in 'index' (100 by symbol)" in result.stderr
    assert "device: cpu" in result.stderr
    assert re.search(rf"240 cells in [\d.]+ s -> {re.escape(str(out))}", result.stdout)
    calls = anndata.read_h5ad(out).obs["cellport_call"].value_counts()
    for label, number in calls[calls > 0].items():
        assert re.search(rf"{label}\s+│\s+{number}\s+│", result.stdout)


def test_map_as_json(tiny_atlas_path: Path, query: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.h5ad"
    result = run("map", tiny_atlas_path, query, "-o", out, "--json")
    found = as_json(result)
    assert found["out"] == str(out)
    assert found["n_cells"] == 240 == sum(found["calls"].values())
    assert found["genes"][0]["n_matched"] == 100
    assert found["counts_from"] == [f"{query}, X"]
    assert found["device"] == "cpu"
    assert 0.5 < found["mean_prob"] <= 1


def test_map_with_a_report(tiny_atlas_path: Path, query: Path, tmp_path: Path) -> None:
    out, report = tmp_path / "out.csv", tmp_path / "report.html"
    result = run("map", tiny_atlas_path, query, "-o", out, "--report", report)
    assert result.exit_code == 0, result.stderr
    assert f"report: {report}" in result.stdout
    assert "<h1>" in report.read_text("utf-8")
    found = as_json(run("map", tiny_atlas_path, query, "-o", out, "--report", report, "--json"))
    assert found["report"] == str(report)


def test_json_of_a_refusal_is_empty(tiny_atlas_path: Path, tmp_path: Path) -> None:
    result = run("map", tiny_atlas_path, tmp_path / "no.h5ad", "-o", tmp_path / "o.h5ad", "--json")
    assert result.exit_code == 2
    assert result.stdout == ""


def test_several_queries(tiny_atlas_path: Path, tiny_cells: Any, tmp_path: Path) -> None:
    adata = tiny_cells.adata()
    parts = {"first.h5ad": adata[:100], "second.h5ad": adata[100:, ::-1]}
    for name, part in parts.items():
        part.copy().write_h5ad(tmp_path / name)
    together, alone = tmp_path / "both.h5ad", tmp_path / "alone.h5ad"
    paths = [tmp_path / name for name in parts]
    result = run("map", tiny_atlas_path, *paths, "-o", together, "--json")
    assert result.exit_code == 0, result.stderr
    assert as_json(result)["n_cells"] == 240
    found = anndata.read_h5ad(together)
    assert found.obs_names.tolist() == adata.obs_names.tolist()
    assert found.obs["cellport_query"].tolist() == ["first.h5ad"] * 100 + ["second.h5ad"] * 140
    for name, path in zip(parts, paths, strict=True):
        run("map", tiny_atlas_path, path, "-o", alone)
        one, same = anndata.read_h5ad(alone), found[found.obs["cellport_query"] == name]
        assert "cellport_query" not in one.obs
        assert_array_equal(same.obsm["X_cellport"], one.obsm["X_cellport"])
        assert same.obs["cellport_label"].tolist() == one.obs["cellport_label"].tolist()


def test_files_of_one_name_are_told_apart(
    tiny_atlas_path: Path, query: Path, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    other = tmp_path / "other" / query.name
    other.write_bytes(query.read_bytes())
    assert run("map", tiny_atlas_path, query, other, "-o", tmp_path / "out.h5ad").exit_code == 0
    obs = anndata.read_h5ad(tmp_path / "out.h5ad").obs
    assert obs["cellport_query"].tolist() == [str(query)] * 240 + [str(other)] * 240
    assert obs.index[[0, 240]].tolist() == ["cell0-0", "cell0-1"]
    result = run("map", tiny_atlas_path, query, query, "-o", tmp_path / "twice.h5ad")
    assert result.exit_code == 2
    assert "named twice" in result.stderr
    assert not (tmp_path / "twice.h5ad").exists()


@pytest.mark.parametrize("form", ["h5ad", "zarr", "parquet", "csv"])
def test_every_probability_in_every_format(
    form: str, tiny_atlas: Any, rewritten_atlas: Any, query: Path, tmp_path: Path
) -> None:
    first, second = tiny_atlas.manifest.labels[:2]
    tiny_atlas_path = rewritten_atlas(parents={first: "both", second: "both"})
    out = tmp_path / f"out.{form}"
    assert run("map", tiny_atlas_path, query, "-o", out, "--probabilities").exit_code == 0
    plain = tmp_path / "plain.h5ad"
    run("map", tiny_atlas_path, query, "-o", plain)
    expected = anndata.read_h5ad(plain).obs
    if form in ("h5ad", "zarr"):
        found = anndata.read_h5ad(out) if form == "h5ad" else anndata.read_zarr(out)
        labels = list(found.uns["cellport"]["labels"])
        prob, obs = found.obsm["cellport_probabilities"], found.obs
    else:
        obs = pd.read_parquet(out) if form == "parquet" else pd.read_csv(out)
        named = obs.filter(like="cellport_probability_")
        labels = [name.removeprefix("cellport_probability_") for name in named]
        prob = named.to_numpy(np.float32)
    best = np.array(labels, object)[prob.argmax(axis=1)]
    assert best.tolist() == expected["cellport_label"].tolist()
    assert_array_equal(prob.max(axis=1), expected["cellport_prob"].to_numpy())
    np.testing.assert_allclose(prob.sum(axis=1), 1, rtol=1e-5)
    levels = [name for name in obs if name.startswith("cellport_level_")]
    assert len(levels) == 4
    broad = ["both" if one in (first, second) else one for one in best]
    assert obs[levels[0]].tolist() == broad
    assert obs[levels[2]].tolist() == best.tolist()


def test_terms_of_the_cell_ontology(
    tiny_atlas: Any, tiny_atlas_path: Path, query: Path, tmp_path: Path
) -> None:
    first, second, *_ = tiny_atlas.manifest.labels
    table, out = tmp_path / "terms.tsv", tmp_path / "out.h5ad"
    table.write_text(f"label\tterm\n{first}\tCL:0000084\n{second}\tCL:0000236\n")
    asked = ("--cellxgene", "--crosswalk", table)
    result = run("map", tiny_atlas_path, query, "-o", out, "--json", *asked)
    assert result.exit_code == 0, result.stderr
    found = anndata.read_h5ad(out)
    term = found.obs["cell_type_ontology_term_id"].astype(str)
    call = found.obs["cellport_call"].astype(str)
    expected = call.map({first: "CL:0000084", second: "CL:0000236"}).fillna("unknown")
    assert term.tolist() == expected.tolist()
    assert {"CL:0000084", "CL:0000236"} <= set(term)
    name = found.obs["cellport_cell_type_ontology_name"]
    assert set(name[term == "CL:0000084"]) == {"T cell"}
    assert any("No term of the Cell Ontology is known" in n for n in as_json(result)["notes"])
    said = found.uns["cellport"]["cell_ontology"]
    assert said["term_ids"].tolist()[:2] == ["CL:0000084", "CL:0000236"]
    table.write_text("label,term\nnone such,CL:0000084\n")
    refused = run("map", tiny_atlas_path, query, "-o", out, "--crosswalk", table)
    assert refused.exit_code == 2
    assert "has no label of this atlas" in refused.stderr


def test_counts_are_copied_unchanged(tiny_atlas_path: Path, query: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.h5ad"
    arguments = ("--with-counts", "--block-cells", 50)
    assert run("map", tiny_atlas_path, query, "-o", out, *arguments).exit_code == 0
    found, brought = anndata.read_h5ad(out), anndata.read_h5ad(query)
    assert found.X.dtype == brought.X.dtype
    assert (found.X != brought.X).nnz == 0
    assert found.var_names.tolist() == brought.var_names.tolist()
    assert found.obs_names.tolist() == brought.obs_names.tolist()
    run("map", tiny_atlas_path, query, "-o", out)
    assert anndata.read_h5ad(out).shape == (240, 0)


@pytest.mark.parametrize(
    ("more", "message"),
    [(["-o", "out.csv"], "cannot hold counts"), (["more.h5ad", "-o", "out.h5ad"], "one query")],
)
def test_counts_cannot_always_be_copied(
    more: list[str], message: str, tiny_atlas_path: Path, query: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("more.h5ad").write_bytes(query.read_bytes())
    result = run("map", tiny_atlas_path, query, *more, "--with-counts")
    assert result.exit_code == 2
    assert message in result.stderr
    assert not list(tmp_path.glob("out*"))


def test_options_reach_the_mapping(tiny_atlas_path: Path, query: Path, tmp_path: Path) -> None:
    adata = anndata.read_h5ad(query)
    adata.layers["soup"] = adata.X.copy()
    adata.layers["soup"].data += 0.25
    adata.write_h5ad(query)
    base = ("map", tiny_atlas_path, query, "-o", tmp_path / "out.h5ad", "--layer", "soup")
    assert run(*base).exit_code == 2
    result = run(*base, "--fractional-counts", "--threads", 1, "--json")
    assert result.exit_code == 0, result.stderr
    found = as_json(result)
    assert found["counts_from"] == [f"{query}, layers['soup']"]
    assert any("allowed as counts" in note for note in found["notes"])


# --- train


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch, tiny_atlas: Any) -> list[Any]:
    """Stand in for the training itself; collect what it was asked to do."""
    asked: list[Any] = []
    members = {name: bytes(tiny_atlas.read(name)) for name in tiny_atlas.members}

    def build(reference: Any, how: Any, checkpoint: Path, on_progress: Any) -> Any:
        from cellport.train.progress import Progress

        asked.extend([reference, how])
        for epoch in range(1, 21):
            on_progress(Progress(epoch, 20, {"reconstruction": 100.0 / epoch, "kl": 1.0}))
        return tiny_atlas.manifest, members

    monkeypatch.setattr("cellport.train.api.build_atlas", build)
    return asked


def test_train_passes_its_settings_on(trained: list[Any], query: Path, tmp_path: Path) -> None:
    out = tmp_path / "lung.cellport"
    result = run(
        "train", query, "-o", out, "--labels", "cell_type", "--batch", "donor", "--genes", 90,
        "--latent", 7, "--likelihood", "zinb", "--epochs", 20, "--batch-size", 32,
        "--learning-rate", 0.01, "--seed", 3, "--licence", "CC0", "--device", "cpu",
        "--keep-genes", "g1, g2", "--limits", "Toys alone.",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    reference, how = trained
    assert reference.labels == ("alpha", "beta", "gamma")
    assert reference.batches == ("north", "south")
    assert reference.description == "query.h5ad, X"
    assert (how.name, how.licence, how.n_genes) == ("lung", "CC0", 90)
    assert (how.keep_genes, how.limits) == (("g1", "g2"), "Toys alone.")
    fit = how.fit
    assert (fit.n_latent, fit.likelihood, fit.epochs, fit.batch_size) == (7, "zinb", 20, 32)
    assert (fit.learning_rate, fit.seed, fit.device) == (0.01, 3, "cpu")
    assert "alpha, beta, gamma" in result.stdout


def test_train_as_json(trained: list[Any], query: Path, tmp_path: Path) -> None:
    out = tmp_path / "lung.cellport"
    result = run("train", query, "-o", out, "--json")
    assert as_json(result)["path"] == str(out)


def test_training_tells_a_log_file_now_and_then(
    trained: list[Any], query: Path, tmp_path: Path
) -> None:
    result = run("train", query, "-o", tmp_path / "a.cellport")
    lines = result.stderr.splitlines()
    assert len(lines) == 10
    assert lines[0] == "training: model, epoch 2/20  reconstruction 50  kl 1"
    assert lines[-1] == "training: model, epoch 20/20  reconstruction 5  kl 1"


def test_of_several_processes_the_first_alone_speaks(
    trained: list[Any], query: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cellport.train.fit.processes.is_first", lambda: False)
    result = run("train", query, "-o", tmp_path / "a.cellport", "--epochs", 20)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert trained[1].fit.epochs == 20


# --- what should not happen


def _broken(*_: Any, **__: Any) -> None:
    raise ZeroDivisionError("by\nzero")


def test_a_fault_of_ours_is_one_sentence_too(
    tiny_atlas_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cellport.cli._info", _broken)
    monkeypatch.delenv("CELLPORT_DEBUG", raising=False)
    result = run("info", tiny_atlas_path, "--json")
    assert result.exit_code == 1
    assert result.stdout == ""
    (said,) = result.stderr.splitlines()
    assert said.startswith("Error: Unexpected error (ZeroDivisionError: by zero)")
    assert "report it" in said
    monkeypatch.setenv("CELLPORT_DEBUG", "1")
    assert isinstance(run("info", tiny_atlas_path, "--json").exception, ZeroDivisionError)


def test_another_error_that_ctrl_c_led_to_is_a_stop_too(
    tiny_atlas_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As h5py may make one of it."""

    def pressed(*_: Any) -> None:
        with suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        raise RuntimeError("something else")

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        monkeypatch.setattr("cellport.runtime.atlas.file.open_atlas_file", pressed)
        result = run("info", tiny_atlas_path)
    finally:
        with remembered():  # forgets what was pressed
            pass
        signal.signal(signal.SIGINT, before)
    assert (result.exit_code, result.stdout) == (130, "")
    assert result.stderr == "Error: Stopped; nothing was written.\n"


def test_ctrl_c_while_training_says_that_it_goes_on(
    trained: list[Any], query: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cellport.train.api.build_atlas", pressed)
    result = run("train", query, "-o", tmp_path / "a.cellport")
    assert result.exit_code == 130
    said = "Stopped; no atlas was written. Finished epochs are kept: the same command goes on"
    assert result.stderr == f"Error: {said} from there.\n"


@pytest.mark.parametrize("command", ["info", "verify"])
def test_ctrl_c(command: str, tiny_atlas_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def pressed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cellport.runtime.atlas.file.open_atlas_file", pressed)
    result = run(command, tiny_atlas_path)
    assert result.exit_code == 130
    assert result.stderr == "Error: Stopped; nothing was written.\n"


def test_cells_keep_their_results_whatever_else_is_asked(
    tiny_atlas_path: Path, query: Path, tmp_path: Path
) -> None:
    plain, more = tmp_path / "plain.h5ad", tmp_path / "more.h5ad"
    run("map", tiny_atlas_path, query, "-o", plain)
    run("map", tiny_atlas_path, query, "-o", more, "--with-counts", "--block-cells", 7)
    one, other = anndata.read_h5ad(plain), anndata.read_h5ad(more)
    assert_array_equal(one.obsm["X_cellport"], other.obsm["X_cellport"])
    for column in one.obs:
        assert one.obs[column].tolist() == other.obs[column].tolist()
    assert np.isfinite(one.obs["cellport_prob"]).all()


# --- corrected expression and genes along lineages


def test_corrected_expression_is_in_the_table(tiny_atlas: Any, query: Path, tmp_path: Path) -> None:
    genes, out = tmp_path / "genes.txt", tmp_path / "out.csv"
    genes.write_text("\n".join(tiny_atlas.manifest.panel.symbols[:2]))
    result = run("map", tiny_atlas.path, query, "-o", out, "--corrected-expression", genes,
                 "--corrected-batch", "south")  # fmt: skip
    assert result.exit_code == 0
    head = out.read_text().splitlines()[0].split(",")
    assert head[-2:] == [f"corrected_{gene}" for gene in tiny_atlas.manifest.panel.symbols[:2]]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--corrected-expression", "Nothing"], "Not among the 100 genes that the atlas reads"),
        (["--corrected-expression", ","], "No gene was named"),
        (["--corrected-batch", "south"], "needs genes"),
        (["--lineage-genes", "genes.csv"], "has no trajectory"),
        (["--lineage-genes", "genes.csv", "--dask", "local"], "has no trajectory"),
    ],
)
def test_what_an_atlas_does_not_have_is_said(
    tiny_atlas: Any, query: Path, tmp_path: Path, options: list[str], says: str
) -> None:
    result = run("map", tiny_atlas.path, query, "-o", tmp_path / "out.csv", *options)
    assert result.exit_code == 2
    assert says in result.stderr
    assert not (tmp_path / "out.csv").exists()


def test_kernels_are_compiled_beforehand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(machine_code, "_ready", {})
    result = run("warmup")
    assert result.exit_code == 0
    assert re.fullmatch(r"Kernels are ready \(\d+\.\d s\)\.\n", result.stderr)
    assert result.stdout == ""
    assert machine_code.is_compiled()
    assert list(tmp_path.glob("*.o"))
