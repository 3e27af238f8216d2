from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pytest
from click.testing import CliRunner
from numpy.testing import assert_array_equal

import cellport
from cellport.cli import main
from cellport.runtime.errors import InputError
from cellport.runtime.genes.gene_table import load_gene_table
from cellport.runtime.genes.orthologs import orthologs, translate


@pytest.fixture(scope="module")
def human() -> anndata.AnnData:
    """Lung cells with the genes alone that have a partner in mouse."""
    with as_file(files("cellport") / "demo_data" / "lung_sample.h5ad") as path:
        cells = anndata.read_h5ad(path)
    there, back = orthologs("human"), orthologs("mouse")
    kept = [back.get(there.get(n.upper(), "").upper()) == n.upper() for n in cells.var_names]
    return cells[:, kept].copy()


@pytest.fixture(scope="module")
def mouse(human: Any) -> anndata.AnnData:
    """The same cells, as if they were of mouse, with genes that human does not have."""
    cells = human.copy()
    cells.var_names = [orthologs("human")[name.upper()] for name in human.var_names]
    return cells


def test_pairs_are_one_to_one_and_the_same_both_ways() -> None:
    to_mouse, to_human = orthologs("human"), orthologs("mouse")
    assert to_mouse["CD3D"] == "Cd3d"
    assert to_human["CD3D"] == "CD3D"
    assert to_mouse["ENSG00000167286"] == "Cd3d"
    assert to_human["ENSMUSG00000032094"] == "CD3D"
    assert not {"HLA-A", "H2-K1"} & {*to_mouse, *to_human}
    there = {name: to_mouse[name] for name in load_gene_table("human").id_of if name in to_mouse}
    back = [to_human.get(mouse.upper()) for mouse in there.values()]
    assert np.mean([one == name for one, name in zip(back, there, strict=True)]) > 0.99


def test_cells_of_mouse_get_the_answers_of_their_orthologs(human: Any, mouse: Any) -> None:
    atlas = cellport.load_atlas("lung")
    found, plain = atlas.map(mouse, orthologs=True), atlas.map(human)
    for column in plain.schema.columns:
        assert_array_equal(found[column.name], plain[column.name], column.name)
    said = found.uns["cellport"]
    assert said["genes"]["organism"] == "mouse"
    assert any("orthologs" in note for note in said["notes"])


def test_ids_of_ensembl_are_read_too(human: Any, mouse: Any) -> None:
    ids = load_gene_table("mouse").id_of
    known = [name in ids for name in mouse.var_names]
    cells = mouse[:, known].copy()
    cells.var_names = [f"{ids[name]}.4" for name in cells.var_names]
    atlas = cellport.load_atlas("lung")
    found, plain = atlas.map(cells, orthologs=True), atlas.map(human[:, known].copy())
    assert_array_equal(found["cellport_label"], plain["cellport_label"])


def test_without_the_option_another_species_is_refused(mouse: Any) -> None:
    with pytest.raises(InputError, match="mouse"):
        cellport.load_atlas("lung").map(mouse)


def test_what_needs_no_orthologs_is_refused(human: Any) -> None:
    with pytest.raises(InputError, match="without orthologs"):
        cellport.load_atlas("lung").map(human, orthologs=True)


@pytest.mark.parametrize(
    ("names", "target", "reason"),
    [
        (["Cd3d"], "", "no stated organism"),
        (["Cd3d"], "zebrafish", "zebrafish"),
        (["albatross", "x1"], "human", "No gene of it"),
    ],
)
def test_refusals(names: list[str], target: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        translate({"index": np.asarray(names, object)}, target, "it")


def test_command(mouse: Any, tmp_path: Path) -> None:
    query, out = tmp_path / "mouse.h5ad", tmp_path / "out.csv"
    mouse.write_h5ad(query)
    refused = CliRunner().invoke(main, ["map", "lung", str(query), "-o", str(out)])
    assert refused.exit_code == 2
    assert "--orthologs" in refused.output
    done = CliRunner().invoke(main, ["map", "lung", str(query), "-o", str(out), "--orthologs"])
    assert done.exit_code == 0, done.output
    assert "human orthologs" in done.output
