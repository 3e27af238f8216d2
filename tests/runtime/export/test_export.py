"""Files of other tools hold what the mapped file holds."""

from __future__ import annotations

import csv
import gzip
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.io

import cellport
from cellport.runtime.errors import CellportError, InputError, MissingDependencyError, OutputError

from .workbook import read_workbook


def table(path: Path, separator: str = ",") -> pd.DataFrame:
    return pd.read_csv(path, sep=separator, dtype=str, index_col=0, keep_default_na=False)


def test_loupe_gets_each_cell_its_group(blood: SimpleNamespace, tmp_path: Path) -> None:
    found = cellport.export(blood.mapped, loupe=tmp_path / "loupe")
    assert found.notes[0].startswith("600 of 600 cells have no name as Cell Ranger gives them")
    for column in ("cellport_call", "cellport_label", "cellport_cluster"):
        made = table(tmp_path / "loupe" / f"{column}.csv")
        assert made.index.name == "Barcode"
        assert made.index.tolist() == blood.obs.index.tolist()
        assert made[column].tolist() == blood.obs[column].astype(str).tolist()
    novel = table(tmp_path / "loupe" / "cellport_novel.csv")["cellport_novel"]
    assert ((novel == "unlike the atlas").to_numpy() == blood.obs["cellport_novel"]).all()
    places = table(tmp_path / "loupe" / "cellport_map_projection.csv").astype(float)
    assert list(places.columns) == ["X Coordinate", "Y Coordinate"]
    expected = anndata.read_h5ad(blood.mapped).obsm["X_cellport_umap"]
    np.testing.assert_allclose(places, expected, atol=1e-5)


def test_barcodes_of_cell_ranger_need_no_word(blood: SimpleNamespace, tmp_path: Path) -> None:
    assert cellport.export(blood.alone, loupe=tmp_path / "loupe").notes == ()
    (note,) = cellport.export(blood.alone, xenium=tmp_path / "xenium").notes
    assert "no name as Xenium Onboard Analysis" in note


def test_xenium_gets_the_colours_of_the_report(blood: SimpleNamespace, tmp_path: Path) -> None:
    cellport.export(blood.mapped, xenium=tmp_path)
    made = table(tmp_path / "cellport_call.csv")
    assert list(made.columns) == ["group", "color"]
    mapped = anndata.read_h5ad(blood.mapped)
    categories = mapped.obs["cellport_call"].cat.categories
    colour = dict(zip(categories, mapped.uns["cellport_call_colors"], strict=True))
    assert made["color"].tolist() == [colour[one] for one in mapped.obs["cellport_call"]]
    assert made["color"].nunique() > 2
    assert list(table(tmp_path / "cellport_cluster.csv").columns) == ["group"]


def test_cell_browser_holds_the_counts(blood: SimpleNamespace, tmp_path: Path) -> None:
    folder = tmp_path / "my cells"
    cellport.export(blood.mapped, cell_browser=folder, counts=blood.queries)
    with gzip.open(folder / "matrix.mtx.gz") as file:
        matrix = scipy.io.mmread(file)
    assert (matrix.T.tocsr() != blood.counts).nnz == 0
    names = gzip.decompress((folder / "barcodes.tsv.gz").read_bytes()).decode().split()
    assert names == blood.obs.index.tolist()
    genes = gzip.decompress((folder / "features.tsv.gz").read_bytes()).decode().splitlines()
    assert [line.split("\t")[0] for line in genes] == blood.genes.tolist()
    meta = table(folder / "meta.tsv", "\t")
    assert meta.index.tolist() == names
    assert meta["cellport_call"].tolist() == blood.obs["cellport_call"].astype(str).tolist()
    prob = meta["cellport_prob"].astype(float)
    np.testing.assert_allclose(prob, blood.obs["cellport_prob"], rtol=6e-3)
    said: dict[str, Any] = {}
    exec((folder / "cellbrowser.conf").read_text(), said)
    assert said["name"] == "my_cells"
    assert said["clusterField"] == "cellport_call"
    for column, name in said["colors"].items():
        colours = pd.read_csv(folder / name, sep="\t", header=None, dtype=str)
        assert set(meta[column]) <= set(colours[0])


def test_counts_of_the_mapped_file_serve_too(blood: SimpleNamespace, tmp_path: Path) -> None:
    cellport.export(blood.alone, cell_browser=tmp_path / "site")
    with gzip.open(tmp_path / "site" / "matrix.mtx.gz") as file:
        assert (scipy.io.mmread(file).T.tocsr() != blood.counts[:350]).nnz == 0


def test_cbbuild_takes_the_folder(blood: SimpleNamespace, tmp_path: Path) -> None:
    build = shutil.which("cbBuild")
    if build is None:
        pytest.skip("cbBuild is not installed (pip install cellbrowser)")
    cellport.export(blood.alone, cell_browser=tmp_path / "cells")
    command = [build, "-o", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=tmp_path / "cells", capture_output=True, text=True)
    # what it fetches for the whole site, it may not reach
    made = tmp_path / "site" / "cells" / "dataset.json"
    assert made.is_file(), done.stderr
    said = json.loads(made.read_text())
    assert said["sampleCount"] == 350
    assert {one["label"] for one in said["metaFields"]} >= {"cellport_call", "cellport_prob"}


def test_excel_counts_types_by_sample(blood: SimpleNamespace, tmp_path: Path) -> None:
    how: dict[str, Any] = {"counts": blood.queries, "sample": "donor", "atlas": None}
    cellport.export(blood.mapped, excel=tmp_path / "cells.xlsx", **how)
    book = read_workbook(tmp_path / "cells.xlsx")
    assert list(book) == ["Cells", "Shares", "Cautions", "Unlike the atlas", "Atlas", "Genes"]
    expected = pd.crosstab(blood.obs["cellport_call"].astype(str), blood.donor)
    _, head, *rows = book["Cells"]
    assert head == ["type", "d0", "d1", "d2", "all"]
    for name, *cells in rows[:-1]:
        known = expected.loc[name].tolist() if name in expected.index else [0, 0, 0]
        assert cells == [*known, sum(known)]
    assert rows[-1] == ["all", 200, 200, 200, 600]
    for (_, *shares), (_, *cells) in zip(book["Shares"][2:], rows, strict=False):
        np.testing.assert_allclose(shares, np.array(cells) / [200, 200, 200, 600])
    assert book["Unlike the atlas"][-1][-1] == blood.obs["cellport_novel"].sum()
    facts = dict(book["Atlas"][2:])
    assert facts["atlas"] == "lung"
    assert {row[0] for row in book["Genes"][2:]} == {"first.h5ad", "second.h5ad"}
    assert any("very few counts" in str(row[0]) for row in book["Cautions"])


def test_samples_are_the_files_where_nobody_says(blood: SimpleNamespace, tmp_path: Path) -> None:
    cellport.export(blood.mapped, excel=tmp_path / "a.xlsx")
    assert read_workbook(tmp_path / "a.xlsx")["Cells"][1][1:3] == ["first.h5ad", "second.h5ad"]
    atlas = cellport.load_atlas("lung").file.path
    cellport.export(blood.alone, excel=tmp_path / "b.xlsx", atlas=atlas)
    book = read_workbook(tmp_path / "b.xlsx")
    assert book["Cells"][1] == ["type", "all cells", "all"]
    assert any("lung" in str(line[0]) for line in book["Card"])
    cellport.export(blood.alone, excel=tmp_path / "again.xlsx", atlas=atlas)
    assert (tmp_path / "b.xlsx").read_bytes() == (tmp_path / "again.xlsx").read_bytes()


def hostile(n: int = 4) -> anndata.AnnData:
    """Results whose names would be formulas, colours, lines and columns of their own."""
    names = ["=1+1", "a\tb\nc", '"q", x', "https://example.org"][:n]
    obs = pd.DataFrame(
        {
            "cellport_call": pd.Categorical(names),
            "cellport_label": pd.Categorical(names),
            "cellport_novel": [True, *[False] * (n - 1)],
            "sample": ["=cmd()", "b", "b", ""][:n],
        },
        index=["=c0", *(f"c{at}" for at in range(1, n))],
    )
    made = anndata.AnnData(np.eye(n, 2, dtype=np.float32), obs=obs)
    made.var_names = ["g", "g"]
    made.obsm["X_cellport_umap"] = np.ones((n, 2), np.float32)
    return made


def test_names_stay_texts(tmp_path: Path) -> None:
    made = hostile()
    how: dict[str, Any] = {
        "excel": tmp_path / "a.xlsx",
        "loupe": tmp_path / "l",
        "sample": "sample",
    }
    cellport.export(made, cell_browser=tmp_path / "c", **how)
    book = read_workbook(tmp_path / "a.xlsx")
    assert set(book["Cells"][1]) >= {"=cmd()", "b", "(no sample)"}
    assert {row[0] for row in book["Cells"][2:]} == {*made.obs["cellport_call"], "all"}
    with (tmp_path / "l" / "cellport_call.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[1] == ["'=c0", "'=1+1"]
    assert rows[3] == ["c2", '"q", x']
    lines = (tmp_path / "c" / "meta.tsv").read_text().splitlines()
    assert len(lines) == 5
    assert {line.count("\t") for line in lines} == {lines[0].count("\t")}
    genes = gzip.decompress((tmp_path / "c" / "features.tsv.gz").read_bytes()).decode()
    assert genes == "g\tg\ng-1\tg-1\n"


def test_cells_without_a_group_are_left_out(tmp_path: Path) -> None:
    cellport.export(hostile(), loupe=tmp_path, by=["sample"])
    assert table(tmp_path / "sample.csv").index.tolist() == ["'=c0", "c1", "c2"]


def _of(blood: SimpleNamespace, **how: Any) -> Callable[[Path], object]:
    return lambda out: cellport.export(blood.mapped, **{k: v(out) if callable(v) else v
                                                        for k, v in how.items()})  # fmt: skip


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ({}, "Nothing was asked for: give --loupe"),
        ({"loupe": "a", "xenium": "a"}, "Two of the folders are one"),
        ({"loupe": "a", "by": ["cellport_cal"]}, "no column 'cellport_cal'.*cellport_call"),
        ({"loupe": "a", "by": ["cellport_prob"]}, "holds numbers, and groups have names"),
        ({"cell_browser": "a"}, "holds no counts: give the files that were mapped as --counts"),
        ({"excel": "a.csv"}, r"must end in \.xlsx"),
        ({"excel": "a.xlsx", "sample": "donor"}, "no column 'donor'.*give the files"),
        ({"excel": "a.xlsx", "atlas": "blood"}, "was not mapped on .*, but on 'lung'"),
    ],
)
def test_what_cannot_be_done_is_said(
    blood: SimpleNamespace,
    how: dict[str, Any],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    if "atlas" in how:
        how = {**how, "atlas": cellport.load_atlas(how["atlas"]).file.path}
    with pytest.raises(CellportError, match=sentence):
        cellport.export(blood.mapped, **how)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_other_cells_than_those_mapped(blood: SimpleNamespace, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has 600 cells, and the files of --counts have 350"):
        cellport.export(blood.mapped, cell_browser=tmp_path / "c", counts=blood.queries[0])
    with pytest.raises(InputError, match=r"are not those of .*in the same order"):
        cellport.export(blood.mapped, cell_browser=tmp_path / "c", counts=blood.queries[::-1])
    with pytest.raises(InputError, match="has no column of a mapping"):
        cellport.export(blood.queries[0], loupe=tmp_path / "l")
    (tmp_path / "a.csv").write_text("cell,cellport_call\n")
    with pytest.raises(InputError, match=r"is no \.h5ad of cellport map"):
        cellport.export(tmp_path / "a.csv", loupe=tmp_path / "l")
    with pytest.raises(OutputError, match="is a file; give the name of a folder"):
        cellport.export(blood.mapped, loupe=tmp_path / "a.csv")


def test_without_its_library_excel_names_the_extra(
    blood: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from importlib import metadata

    monkeypatch.setattr(metadata, "requires", lambda name: ['xlsxwriter>=3.2; extra == "excel"'])
    monkeypatch.setattr("cellport.runtime.base.extras.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"xlsxwriter: pip install 'cellport\[excel\]"):
        cellport.export(blood.mapped, excel=tmp_path / "a.xlsx")


def test_command_line(blood: SimpleNamespace, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cellport", "export", str(blood.alone)]
    how = ["--loupe", str(tmp_path / "l"), "--excel", str(tmp_path / "a.xlsx"), "--json"]
    done = subprocess.run([*command, *how], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    files = json.loads(done.stdout)["files"]
    assert all(Path(file).is_file() for file in files)
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("Error: Nothing was asked for")


# of matplotlib, which says so to scanpy
@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_scanpy_plots_with_names_and_colours(blood: SimpleNamespace, tmp_path: Path) -> None:
    sc = pytest.importorskip("scanpy", reason="scanpy is not installed")
    import matplotlib

    matplotlib.use("agg")
    # without types that have no cells, over which dotplot stumbles
    adata = anndata.read_h5ad(blood.alone)[:].copy()
    axes = sc.pl.embedding(adata, "cellport_umap", color="cellport_call", show=False)
    assert set(adata.obs["cellport_call"].cat.categories) >= {
        text.get_text() for text in axes.get_legend().get_texts()
    } - {"NA"}
    sc.pl.embedding(adata, "cellport_umap", color="cellport_novel", show=False)
    sc.pl.dotplot(adata, ["CD3D", "CD79A"], "cellport_call", show=False)
