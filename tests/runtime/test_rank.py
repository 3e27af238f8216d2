from __future__ import annotations

import json
import shutil
import time
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import anndata
import pytest
from click.testing import CliRunner

from cellport.cli import main
from cellport.runtime import rank
from cellport.runtime.errors import AtlasError, InputError
from cellport.runtime.rank import AtlasFit, rank_atlases


@pytest.fixture(scope="session")
def lung_cells() -> anndata.AnnData:
    with as_file(files("cellport") / "demo_data" / "lung_sample.h5ad") as path:
        return anndata.read_h5ad(path)


@pytest.fixture
def query(tiny_cells: Any) -> anndata.AnnData:
    return tiny_cells.adata()


def names(fits: tuple[AtlasFit, ...]) -> list[str]:
    return [fit.atlas for fit in fits]


def test_the_atlas_of_the_tissue_comes_first_in_whatever_order_they_are_asked(
    lung_cells: anndata.AnnData,
) -> None:
    found = rank_atlases(lung_cells, ["blood", "lung"])
    assert names(found) == ["lung", "blood"]
    assert found == rank_atlases(lung_cells, ["lung", "blood"])
    first, second = found
    assert first.score > 0.8 > 0.7 > second.score
    assert first.like is not None
    assert "of the cells are like something in it" in first.sentence
    here = rank_atlases(lung_cells)
    assert set(names(here[:2])) == {"lung", "human"}
    assert {fit.atlas: fit for fit in here}.items() >= {fit.atlas: fit for fit in found}.items()
    assert here[-1].atlas == "mouse-pancreas"
    assert here[-1].refused


def test_an_atlas_that_cannot_take_the_query_comes_last_with_the_reason(
    lung_cells: anndata.AnnData, tiny_atlas_path: Path, tmp_path: Path
) -> None:
    shutil.copy(tiny_atlas_path, tmp_path / "tiny.cellport")
    (tmp_path / "damaged.cellport").write_bytes(b"PK")
    found = rank_atlases(lung_cells, [str(tmp_path), "lung"])
    assert found[0].atlas == "lung"
    reasons = {Path(fit.atlas).name: fit.refused for fit in found[1:]}
    assert set(reasons) == {"tiny.cellport", "damaged.cellport"}
    assert all(reasons.values())
    assert [fit.score for fit in found[1:]] == [0.0, 0.0]


def test_a_query_that_cannot_be_read_is_told_without_opening_all_atlases(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened = []

    def slowly(asked: str, how: Any) -> Any:
        opened.append(asked)
        time.sleep(0.05)
        return asked, AtlasError("none")

    monkeypatch.setattr(rank, "_opened", slowly)
    with pytest.raises(InputError, match="not there"):
        rank_atlases(tmp_path / "not there.h5ad", [f"atlas{n}" for n in range(200)])
    assert len(opened) < 100


def test_an_atlas_is_judged_as_map_maps(tiny_atlas_path: Path, query: Any) -> None:
    from cellport.runtime.mapping.atlas import load_atlas

    (fit,) = rank_atlases(query, [tiny_atlas_path])
    mapping = load_atlas(tiny_atlas_path).map(query)
    some = mapping["cellport_qc"] != "empty"
    like = some & ~mapping["cellport_novel"]
    assert fit.like == pytest.approx(like.sum() / some.sum())
    assert fit.right == pytest.approx(float(mapping["cellport_prob"][like].mean()))
    assert fit.called == pytest.approx((mapping["cellport_call"][some] != "unknown").mean())


def test_a_query_without_counts_and_a_folder_without_atlases_are_refused(
    query: Any, tiny_atlas_path: Path, tmp_path: Path
) -> None:
    with pytest.raises(AtlasError, match="in the folder"):
        rank_atlases(query, [tmp_path])
    query = query.copy()
    query.X = query.X * 0.37
    with pytest.raises(InputError):
        rank_atlases(query, [tiny_atlas_path])


def test_the_command_ranks_on_screen_and_as_json(
    lung_cells: anndata.AnnData, tiny_atlas_path: Path, tmp_path: Path
) -> None:
    lung_cells.write_h5ad(tmp_path / "lung.h5ad")
    asked = ["rank", str(tmp_path / "lung.h5ad"), str(tiny_atlas_path), "lung"]
    shown = CliRunner().invoke(main, asked)
    assert shown.exit_code == 0
    assert "Best: lung." in shown.stdout
    rows = json.loads(CliRunner().invoke(main, [*asked, "--json"]).stdout)
    assert [row["atlas"] for row in rows] == ["lung", str(tiny_atlas_path)]
    nowhere = CliRunner().invoke(main, [*asked[:2], str(tiny_atlas_path)])
    assert nowhere.exit_code == 0
    assert "No atlas that was asked can take this query." in nowhere.stdout


def test_several_atlases_are_told_to_the_last_digit_what_each_is_alone(
    lung_cells: anndata.AnnData, tiny_atlas_path: Path
) -> None:
    asked = ["lung", "blood", str(tiny_atlas_path)]
    alone = {name: rank_atlases(lung_cells, [name])[0] for name in asked}
    assert {fit.atlas: fit for fit in rank_atlases(lung_cells, asked)} == alone
