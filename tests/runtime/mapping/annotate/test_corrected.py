from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.columns import CORRECTED
from cellport.runtime.errors import InputError
from cellport.runtime.genes.panel import Panel
from cellport.runtime.map_files import map_files
from cellport.runtime.mapping.annotate.corrected import (
    Correction,
    correct,
    find_genes,
    measure_batch_share,
    names_or_file,
    prepare,
)
from cellport.runtime.mapping.atlas import Atlas
from cellport.runtime.mapping.options import MapOptions

PANEL = Panel(
    ("ACTB", "CD3E", "", "Cd3e", "NKX2-1"),
    ("ENSG00000075624", "", "ENSG00000198851", "", "ENSG00000136352"),
)


@pytest.fixture(scope="module")
def atlas(tiny_atlas_path: Path) -> Atlas:
    from cellport import load_atlas

    return load_atlas(tiny_atlas_path)


@pytest.fixture(scope="module")
def query_path(tiny_cells: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("query") / "query.h5ad"
    adata = tiny_cells.adata()
    keep = np.ones((adata.n_obs, 1), np.float32)
    keep[3] = 0
    adata.X = adata.X.multiply(keep).tocsr()
    adata.write_h5ad(path)
    return path


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (["ACTB"], [0]),
        (["ENSG00000075624.12", "CD3E"], [0, 1]),
        (["actb", " nkx2-1 "], [0, 4]),
        (["ENSG00000198851"], [2]),
        (["Cd3e", "CD3E", "Cd3e"], [3, 1]),
    ],
)
def test_genes_are_found_by_any_of_their_names(wanted: list[str], found: list[int]) -> None:
    assert find_genes(wanted, PANEL).tolist() == found


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (["ACTC"], "ACTC .near: ACTB"),
        (["cd3e"], "cd3e"),
        (["NKX2.1", "ACTB"], "NKX2.1 .near: NKX2-1"),
        (["", " "], "No gene was named"),
        ([f"gene{i}" for i in range(30)], "and 20 more"),
    ],
)
def test_genes_that_are_not_there_are_named(wanted: list[str], says: str) -> None:
    with pytest.raises(InputError, match=says):
        find_genes(wanted, PANEL)


def test_names_come_from_text_or_a_file(tmp_path: Path) -> None:
    assert names_or_file(" A, B ,,C") == ("A", "B", "C")
    file = tmp_path / "genes.txt"
    file.write_text("A\n\nB \n")
    assert names_or_file(str(file)) == ("A", "B")
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="one a line"):
        names_or_file(str(file))


def test_batch_share_tells_cells_from_batches() -> None:
    latent = np.linspace(0, 2, 300, dtype=np.float32)[:, None]

    def decode(cells: NDArray[np.floating], batch: str | None) -> NDArray[np.float32]:
        shift = {"one": 0.0, "two": 2.0}[str(batch)]
        level = np.column_stack(
            [cells[:, 0], np.full(len(cells), shift), cells[:, 0] + shift / 2, 0 * cells[:, 0]]
        )
        return np.expm1(level).astype(np.float32)

    share = measure_batch_share(latent, np.arange(4), ("one", "two"), decode)
    assert share[0] < 1e-6
    assert share[1] > 1 - 1e-6
    # evenly spread over 0 to 2, a third; half of a shift of 1, a quarter
    assert share[2] == pytest.approx((1 / 4) / (1 / 3 + 1 / 4), abs=0.01)
    assert 0 <= share[3] <= 1
    assert measure_batch_share(latent, np.arange(4), ("one",), decode).tolist() == [0] * 4


@pytest.mark.parametrize("batch", [None, "south"])
def test_values_are_those_of_the_decoder(atlas: Atlas, tiny_cells: Any, batch: str | None) -> None:
    genes = atlas.panel.names[[5, 2, 71]].tolist()
    mapping = atlas.map(tiny_cells.adata(), corrected_expression=genes, corrected_batch=batch)
    decoded = atlas.decode(mapping["X_cellport"], batch)
    np.testing.assert_array_equal(mapping[CORRECTED], decoded[:, [5, 2, 71]])
    facts = mapping.uns["cellport"]["corrected"]
    assert facts["genes"] == genes
    assert facts["batch"] == (batch or "mean over all batches")
    assert len(facts["batch_share"]) == 3
    assert [f"corrected_{gene}" for gene in genes] == list(mapping.to_dataframe().columns[-3:])


def test_a_chosen_batch_makes_a_difference(atlas: Atlas, tiny_cells: Any) -> None:
    genes = list(atlas.panel.symbols[:20])
    north, south, mean = (
        atlas.map(tiny_cells.adata(), corrected_expression=genes, corrected_batch=b)[CORRECTED]
        for b in ("north", "south", None)
    )
    assert abs(north - south).max() > 0.1
    np.testing.assert_allclose((north + south) / 2, mean, rtol=1e-4)


def test_files_hold_the_same_whatever_the_blocks(
    atlas: Atlas, query_path: Path, tmp_path: Path
) -> None:
    genes = ",".join(atlas.panel.symbols[:4])
    whole, parts, table = (tmp_path / name for name in ("a.h5ad", "b.h5ad", "c.csv"))
    for out, block in ((whole, 2048), (parts, 7), (table, 50)):
        map_files(atlas, query_path, out, MapOptions(corrected_expression=genes, block_cells=block))
    with h5py.File(whole) as one, h5py.File(parts) as other:
        values = one["obsm"][CORRECTED][:]
        np.testing.assert_array_equal(values, other["obsm"][CORRECTED][:])
        named = [name.decode() for name in one["uns/cellport/corrected/genes"][:]]
    assert named == genes.split(",")
    assert np.isnan(values[3]).all()
    assert np.isfinite(np.delete(values, 3, axis=0)).all()
    with table.open() as lines:
        rows = list(csv.DictReader(lines))
    assert rows[3][f"corrected_{named[0]}"] == "nan"
    assert float(rows[8][f"corrected_{named[2]}"]) == pytest.approx(values[8, 2], rel=1e-6)


def test_genes_that_follow_the_batch_are_told(fork_atlas: AtlasFile, made: Any) -> None:
    two = replace(fork_atlas, manifest=replace(fork_atlas.manifest, batches=("one", "three")))
    genes = ("GENE0", "GENE1", "GENE39")
    found = correct(two, genes, None, made.setting(two).decode)
    assert found.doubtful == ("GENE1", "GENE39")
    note = found.notes(2)[0]
    assert note.startswith("Corrected expression of GENE1, GENE39 is doubtful")
    assert found.in_brief()["doubtful_genes"] == ["GENE1", "GENE39"]
    assert "smoothed" in found.notes(1)[0]
    many = Correction(tuple("abcdefghijklm"), np.arange(13), None, np.ones(13))
    assert "h, i, j and 3 more is doubtful" in many.notes(2)[0]
    assert Correction(("a",), np.arange(1), None, np.zeros(1)).notes(2) == ()


def test_cells_are_decoded_and_empty_ones_are_not(fork_atlas: AtlasFile, made: Any) -> None:
    assert prepare(made.setting(fork_atlas)) is None
    setting = made.setting(fork_atlas, corrected_expression="GENE1,GENE0", corrected_batch="one")
    found = prepare(setting)
    assert found is not None
    values = found.annotate(made.cells([9, 0], latent=[[5, 6], [7, 8]]))[CORRECTED]
    np.testing.assert_array_equal(values, np.float32([[3, 5], [np.nan, np.nan]]))
    assert found.schema.flat_names(CORRECTED) == ["corrected_GENE1", "corrected_GENE0"]
    assert found.facts["corrected"]["batch"] == "one"
    assert "single batch" in found.notes[0]


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"corrected_expression": "no such gene"}, "no such gene"),
        ({"corrected_expression": ","}, "No gene"),
        ({"corrected_batch": "north"}, "needs genes"),
        ({"corrected_expression": "@", "corrected_batch": "nort"}, "Did you mean 'north'"),
        ({"corrected_expression": "@", "corrected_batch": "x"}, "There are: 'north', 'south'"),
    ],
)
def test_what_cannot_be_corrected_is_refused(
    atlas: Atlas, tiny_cells: Any, how: dict[str, str], says: str
) -> None:
    gene = atlas.panel.symbols[0]
    how = {key: value.replace("@", gene) for key, value in how.items()}
    with pytest.raises(InputError, match=says):
        atlas.stream(tiny_cells.adata(), **how)


def test_nothing_is_decoded_unless_asked(atlas: Atlas, tiny_cells: Any) -> None:
    mapping = atlas.map(tiny_cells.adata())
    assert CORRECTED not in mapping.obsm
    assert "corrected" not in mapping.uns["cellport"]
