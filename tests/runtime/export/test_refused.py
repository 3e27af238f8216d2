"""Mapped files that lack what another tool needs, and cautions of a summary."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest

import cellport
from cellport.runtime.errors import InputError
from cellport.runtime.export import mapped as mapped_files
from cellport.runtime.export import summary

from .workbook import read_workbook


def mapped(**columns: Any) -> anndata.AnnData:
    """Four cells with counts, as a mapping leaves them."""
    obs = {"cellport_call": pd.Categorical(["T", "T", "unknown", "unknown"])} | columns
    names = [f"c{at}" for at in range(4)]
    made = anndata.AnnData(np.eye(4, 3, dtype=np.float32), obs=pd.DataFrame(obs, index=names))
    made.obsm["X_cellport_umap"] = np.array([[1, 2], [3, 4], [5, 6], [np.nan, np.nan]], np.float32)
    return made


def test_without_places_only_groups_are_written(tmp_path: Path) -> None:
    made = mapped()
    found = cellport.export(made, loupe=tmp_path / "with", cell_browser=tmp_path / "site")
    places = (tmp_path / "with" / "cellport_map_projection.csv").read_text().splitlines()
    assert places[1:] == ["c0,1.00000,2.00000", "c1,3.00000,4.00000", "c2,5.00000,6.00000"]
    assert any(path.endswith("_projection.csv") for path in map(str, found.files))
    del made.obsm["X_cellport_umap"]
    cellport.export(made, loupe=tmp_path / "without")
    assert [path.name for path in (tmp_path / "without").iterdir()] == ["cellport_call.csv"]
    with pytest.raises(InputError, match=r"has no places of cells .*X_cellport_umap"):
        cellport.export(made, cell_browser=tmp_path / "none")


def test_names_and_places_that_tell_no_cells(tmp_path: Path) -> None:
    made = mapped()
    made.obs.index = ["c0", "c1", "c1", "c3"]
    with pytest.raises(InputError, match="Names of cells in the AnnData repeat"):
        cellport.export(made, cell_browser=tmp_path / "site")
    made = mapped()
    made.obsm["X_cellport_umap"] = np.zeros((4, 3), np.float32)
    with pytest.raises(InputError, match="is not two numbers a cell"):
        cellport.export(made, loupe=tmp_path / "l")


def test_files_that_are_not_mapped_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"There is no file .*none\.h5ad"):
        cellport.export(tmp_path / "none.h5ad", loupe=tmp_path / "l")
    with h5py.File(tmp_path / "other.h5ad", "w") as file:
        file["X"] = np.zeros(3)
    with pytest.raises(InputError, match="has no 'obs'; it is not an AnnData file"):
        cellport.export(tmp_path / "other.h5ad", loupe=tmp_path / "l")

    def locked(_: Path) -> Any:
        raise OSError("unable to lock file")

    monkeypatch.setattr(mapped_files, "open_watched", locked)
    with pytest.raises(InputError, match=r"other\.h5ad cannot be opened: unable to lock file"):
        cellport.export(tmp_path / "other.h5ad", loupe=tmp_path / "l")


def test_files_of_different_genes_are_no_matrix(tmp_path: Path) -> None:
    made = mapped()
    files = []
    for number, rows in enumerate((slice(0, 2), slice(2, 4))):
        part = anndata.AnnData(np.eye(4, 3, dtype=np.float32)[rows], obs=made.obs[rows][[]])
        part.var_names = [f"G{at + number}" for at in range(3)]
        files.append(tmp_path / f"{number}.h5ad")
        part.write_h5ad(files[-1])
    with pytest.raises(InputError, match=r"has other genes than .*write a folder for each file"):
        cellport.export(made, cell_browser=tmp_path / "site", counts=files)
    with pytest.raises(InputError, match=r"no column 'donor'"):
        cellport.export(made, excel=tmp_path / "a.xlsx", sample="donor", counts=files)


def test_names_of_genes_that_repeat_stay_apart(tmp_path: Path) -> None:
    import gzip

    made = anndata.AnnData(np.eye(4, dtype=np.float32), obs=mapped().obs)
    made.var_names = ["g", "g-1", "g", "g"]
    made.obsm["X_cellport_umap"] = np.ones((4, 2), np.float32)
    cellport.export(made, cell_browser=tmp_path)
    genes = gzip.decompress((tmp_path / "features.tsv.gz").read_bytes()).decode().splitlines()
    assert [line.split("\t")[0] for line in genes] == ["g", "g-1", "g-2", "g-3"]


def cautions(made: anndata.AnnData, path: Path) -> str:
    cellport.export(made, excel=path)
    return " ".join(str(row[0]) for row in read_workbook(path)["Cautions"])


def test_what_is_not_sure_is_cautioned(tmp_path: Path) -> None:
    quality = pd.Categorical(["ok", "low_depth", "low_depth", "empty"])
    made = mapped(cellport_qc=quality, cellport_novel=[False, False, False, True])
    said = cautions(made, tmp_path / "a.xlsx")
    for words in ("50 %", "1 cell"):
        assert words in said.replace("\N{NO-BREAK SPACE}", " ").replace("50%", "50 %"), said
    sure = mapped()
    sure.obs["cellport_call"] = pd.Categorical(["T"] * 4)
    assert "50" not in cautions(sure, tmp_path / "b.xlsx")


def test_columns_that_count_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = mapped(donor=["a", "b", "c", "d"])
    monkeypatch.setattr(summary, "MOST_SAMPLES", 3)
    with pytest.raises(InputError, match="has 4 values, and a sheet has room for 3 samples"):
        cellport.export(made, excel=tmp_path / "a.xlsx", sample="donor")
    unlabelled = mapped(cellport_qc=pd.Categorical(["ok"] * 4))
    del unlabelled.obs["cellport_call"]
    with pytest.raises(InputError, match=r"has no labels \(cellport_label\)"):
        cellport.export(unlabelled, excel=tmp_path / "a.xlsx")
