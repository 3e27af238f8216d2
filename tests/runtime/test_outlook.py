from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pytest
from click.testing import CliRunner

import cellport
from cellport.cli import main
from cellport.runtime.errors import InputError
from cellport.runtime.outlook import panel_outlook

MARKERS = ["CD3D", "MS4A1", "LYZ", "NKG7", "GNLY", "CD8A", "CCL5", "S100A8"]


@pytest.fixture(scope="module")
def pbmc() -> cellport.Atlas:
    return cellport.load_atlas("blood")


@pytest.fixture(scope="module")
def lung_cells() -> anndata.AnnData:
    with as_file(files("cellport") / "demo_data" / "lung_sample.h5ad") as path:
        return anndata.read_h5ad(path)


def test_markers_tell_the_types_they_mark(pbmc: cellport.Atlas) -> None:
    found = panel_outlook(pbmc, [*MARKERS, "ALBATROSS"])
    assert (found.genes, found.unknown) == (8, ("ALBATROSS",))
    recall = {one.label: one.recall for one in found.labels}
    assert min(recall["B"], recall["NK"], recall["CD14+ monocyte"]) > 0.8
    assert recall["megakaryocyte/platelet"] < 0.3
    assert found.macro_f1 < found.macro_f1_whole
    together = [set(group) for group in found.merged]
    assert any({"CD4 T", "CD8 T"} <= group for group in together)
    assert not any({"B", "CD4 T"} <= group for group in together)
    assert found.accuracy < 0.97 <= found.accuracy_merged
    assert found.information < 0.8
    assert "these 8 genes" in found.sentence


def test_more_genes_and_more_counts_tell_more(pbmc: cellport.Atlas) -> None:
    names = pbmc.panel.names
    few = panel_outlook(pbmc, MARKERS, depth=2)
    deep = panel_outlook(pbmc, MARKERS, depth=30)
    many = panel_outlook(pbmc, [*MARKERS, *names[::3]], depth=2000)
    assert few.accuracy < deep.accuracy < many.accuracy
    assert few.macro_f1 < many.macro_f1
    assert panel_outlook(pbmc, [*MARKERS, *deep.wanted], depth=60).macro_f1 > deep.macro_f1 + 0.05


def test_all_genes_are_as_good_as_all_genes(pbmc: cellport.Atlas) -> None:
    found = panel_outlook(pbmc, list(pbmc.panel.names))
    assert (found.accuracy, found.macro_f1) == (found.accuracy_whole, found.macro_f1_whole)
    assert not found.wanted
    assert found.information == 1


def test_a_file_of_names_and_a_query_are_told_alike(
    pbmc: cellport.Atlas, lung_cells: Any, tmp_path: Path
) -> None:
    listed = tmp_path / "genes.txt"
    listed.write_text("\n".join(MARKERS))
    assert panel_outlook(pbmc, listed) == panel_outlook(pbmc, MARKERS)
    lung = cellport.load_atlas("lung")
    of_query = panel_outlook(lung, lung_cells)
    in_panel = [name for name in lung.panel.names if name in set(lung_cells.var_names)]
    assert abs(of_query.genes - len(in_panel)) < 0.05 * of_query.genes
    counts = np.asarray(lung_cells[:, in_panel].X.sum(axis=1)).ravel()
    assert of_query.depth == pytest.approx(np.median(counts[counts > 0]), rel=0.2)


@pytest.mark.parametrize(
    ("genes", "changes", "reason"),
    [
        ([], {}, "No gene was named"),
        (["ALBATROSS"], {}, "gene"),
        (MARKERS, {"depth": -1.0}, "above 0"),
        (
            ["Cd3d", "Ms4a1", "Lyz2", "Nkg7", "Cd8a", "Ccl5", "S100a8", "Cd19"],
            {},
            "another organism",
        ),
    ],
)
def test_what_cannot_be_told_is_refused(
    pbmc: cellport.Atlas, genes: list[str], changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(InputError, match=reason):
        panel_outlook(pbmc, genes, **changes)


def test_an_atlas_without_labels_or_cells_is_refused(pbmc: cellport.Atlas) -> None:
    manifest = replace(pbmc.manifest, labels=(), answers=("latent",))
    with pytest.raises(InputError, match="has no labels and no reference cells"):
        panel_outlook(cellport.Atlas(replace(pbmc.file, manifest=manifest)), MARKERS)


def test_command(tmp_path: Path) -> None:
    listed = tmp_path / "genes.txt"
    listed.write_text("\n".join(MARKERS))
    command = ["panel", "blood", str(listed)]
    shown = CliRunner().invoke(main, command)
    assert shown.exit_code == 0, shown.output
    assert "these 8 genes" in " ".join(shown.stdout.split())
    assert "Genes that would help most:" in shown.stdout
    told = json.loads(CliRunner().invoke(main, [*command, "--json", "-n", "3"]).stdout)
    assert len(told["wanted"]) == 3
    assert told["genes"] == 8
