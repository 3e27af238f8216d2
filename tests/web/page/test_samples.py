"""Several files brought to the page at once are samples of one result, as on the command line."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pytest
import scipy.io
import scipy.sparse as sp
from reports import assert_alike
from visits import visit

from cellport.runtime.decisions import text
from cellport.runtime.errors import CellportError
from cellport.runtime.map_files import map_files
from cellport.runtime.mapping.atlas import Atlas

QUERY = text("columns.query")
CSV = ["save", ["page.csv", "text=Download results (CSV)"]]


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def assert_same_table(page: Path, command: Path) -> None:
    ours, theirs = table(page), table(command)
    assert list(ours[0]) == list(theirs[0])
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        for name, value in other.items():
            try:
                number = float(value)
            except ValueError:
                assert one[name] == value, (name, one, other)
            else:
                assert float(one[name]) == pytest.approx(number, rel=1e-3, abs=1e-3, nan_ok=True), (
                    name
                )


@pytest.fixture(scope="module")
def files(
    lung: tuple[Atlas, Any], strange: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[Path]:
    """Three samples: an h5ad, one with fewer genes and other columns, and a matrix of text."""
    folder = tmp_path_factory.mktemp("samples")
    cells = anndata.read_h5ad(lung[1])
    first, second, third = (cells[start::3].copy() for start in range(3))
    first.obs["condition"] = "control"
    second = second[:, : second.n_vars * 4 // 5].copy()
    second.obs["depth"] = np.arange(second.n_obs, dtype=np.float32)
    first.write_h5ad(folder / "first.h5ad")
    second.write_h5ad(folder / "=second.h5ad")
    with gzip.open(folder / "matrix.mtx.gz", "wb") as file:
        scipy.io.mmwrite(file, sp.csc_matrix(third.X.T).astype(int))
    lines = "".join(f"{name}\t{name}\tGene Expression\n" for name in third.var_names)
    (folder / "features.tsv.gz").write_bytes(gzip.compress(lines.encode()))
    barcodes = "".join(f"{name}\n" for name in third.obs_names)
    (folder / "barcodes.tsv.gz").write_bytes(gzip.compress(barcodes.encode()))
    return sorted(folder.iterdir())


def test_the_table_is_the_command_lines(
    site: str, lung: tuple[Atlas, Any], files: list[Path], tmp_path: Path
) -> None:
    queries = [path for path in files if path.suffix == ".h5ad" or "matrix" in path.name]
    rest = [path for path in files if path not in queries]
    map_files(lung[0], queries, tmp_path / "command.csv", report=tmp_path / "command.html")
    out = visit(
        site,
        tmp_path,
        ["verified"],
        ["offline"],
        ["choose", [str(path) for path in [*queries, *rest]]],
        ["mapped"],
        CSV,
        ["save", ["page.html", "text=Save the report (HTML)"]],
        ["text", ["name", "#intake .file"]],
        ["text", ["samples", "#by-group table >> nth=0"]],
        ["count", ["rows", "#by-group table >> nth=0 >> tbody tr"]],
        ["axe", "axe"],
        ["select", ["#colour", "Sample"]],
        ["text", ["legend", "#legend"]],
        ["select", ["#colour", "condition"]],
        ["shot", "samples.png"],
        ["axe", "by sample"],
    )
    assert_same_table(tmp_path / "page.csv", tmp_path / "command.csv")
    assert {row[QUERY] for row in table(tmp_path / "page.csv")} == {
        "first.h5ad",
        "'=second.h5ad",
        "matrix.mtx.gz",
    }
    said = out["values"]
    assert all(path.name in said["name"] for path in queries)
    assert all(path.name in said["samples"] for path in queries)
    assert said["rows"] == 3
    assert "first.h5ad" in said["legend"]
    assert said["axe"] == said["by sample"] == []
    report = (tmp_path / "command.html").read_text().replace("in command.csv", "of the result")
    kept = [line for line in report.split("\n") if "mapped cells</th>" not in line]
    page = (tmp_path / "page.html").read_text()
    work_on = 'in <bdi class="name">command.csv</bdi>'
    assert_alike(page, "\n".join(kept).replace(work_on, "of the result"))


def test_cells_of_one_name_are_told_apart(
    site: str, lung: tuple[Atlas, Any], tmp_path: Path
) -> None:
    cells = anndata.read_h5ad(lung[1])
    paths = [tmp_path / "a.h5ad", tmp_path / "b.h5ad"]
    cells[:40].write_h5ad(paths[0])
    cells[30:60].write_h5ad(paths[1])
    map_files(lung[0], paths, tmp_path / "command.csv")
    out = visit(
        site,
        tmp_path,
        ["verified"],
        ["drop", [str(path) for path in paths]],
        ["mapped"],
        CSV,
        ["text", ["notes", "#notes"]],
    )
    assert_same_table(tmp_path / "page.csv", tmp_path / "command.csv")
    assert text("files.repeated_cells") in out["values"]["notes"]


@pytest.mark.parametrize("at", [0, 1])
def test_one_that_fails_fails_them_all(
    at: int, site: str, lung: tuple[Atlas, Any], tmp_path: Path
) -> None:
    cells = anndata.read_h5ad(lung[1])
    cells[:50].write_h5ad(tmp_path / "good.h5ad")
    bad = cells[:50].copy()
    bad.X = sp.csr_matrix(np.log1p(bad.X.toarray()))
    bad.write_h5ad(tmp_path / "normalised.h5ad")
    paths = [tmp_path / "good.h5ad"]
    paths.insert(at, tmp_path / "normalised.h5ad")
    with pytest.raises(CellportError) as refused:
        map_files(lung[0], paths, tmp_path / "command.csv")
    assert not (tmp_path / "command.csv").exists()
    out = visit(
        site,
        tmp_path,
        ["verified"],
        ["choose", [str(path) for path in paths]],
        ["refused", "said"],
        ["count", ["tables", "#types table"]],
        ["axe", "axe"],
        ["choose", [str(tmp_path / "good.h5ad")]],
        ["mapped"],
        ["text", ["name", "#intake .file"]],
    )
    said = out["values"]
    assert said["said"] == str(refused.value).replace(f"{tmp_path}/", "")
    assert said["tables"] == 0
    assert said["axe"] == []
    assert said["name"] == "good.h5ad"


def test_a_later_drop_takes_the_place_of_several(
    site: str, lung: tuple[Atlas, Any], strange: Path, tmp_path: Path
) -> None:
    cells = anndata.read_h5ad(lung[1])
    several = [tmp_path / f"{name}.h5ad" for name in "abcd"]
    for path in several:
        cells.write_h5ad(path)
    out = visit(
        site,
        tmp_path,
        ["verified"],
        ["drop", [str(path) for path in several]],
        ["choose", [str(strange)]],
        ["mapped"],
        CSV,
        ["text", ["name", "#intake .file"]],
    )
    assert out["values"]["name"] == strange.name
    rows = table(tmp_path / "page.csv")
    assert len(rows) == anndata.read_h5ad(strange).n_obs
    assert QUERY not in rows[0]


def test_matrices_are_told_apart_by_the_beginning_of_their_names(
    site: str, lung: tuple[Atlas, Any], tmp_path: Path
) -> None:
    cells = anndata.read_h5ad(lung[1])
    for name, part in (("GSM1_a_", cells[:30]), ("GSM2_b_", cells[30:70])):
        buffer = io.BytesIO()
        scipy.io.mmwrite(buffer, sp.csc_matrix(part.X.T).astype(int))
        (tmp_path / f"{name}matrix.mtx").write_bytes(buffer.getvalue())
        genes = "".join(f"{gene}\t{gene}\n" for gene in part.var_names)
        (tmp_path / f"{name}genes.tsv").write_text(genes)
        (tmp_path / f"{name}barcodes.tsv").write_text("".join(f"{n}\n" for n in part.obs_names))
    chosen = sorted(tmp_path.glob("GSM*"))
    visit(site, tmp_path, ["verified"], ["choose", [str(path) for path in chosen]], ["mapped"], CSV)
    rows = table(tmp_path / "page.csv")
    assert [row[QUERY] for row in rows] == ["GSM1_a_matrix.mtx"] * 30 + ["GSM2_b_matrix.mtx"] * 40


@pytest.mark.parametrize("how", ["keyboard", "touch"])
def test_samples_are_looked_at_without_a_mouse(
    how: str, site: str, files: list[Path], tmp_path: Path
) -> None:
    chosen = [str(path) for path in files if path.suffix == ".h5ad"]
    out = visit(
        site,
        tmp_path,
        ["verified"],
        ["choose", chosen],
        ["mapped"],
        ["act", [how, "#by-group tbody button >> nth=0"]],
        ["text", ["selection", "#selection h2"]],
        ["axe", "axe"],
        touch=how == "touch",
        width=390 if how == "touch" else 1440,
    )
    assert "Sample" in out["values"]["selection"]
    assert out["values"]["axe"] == []
