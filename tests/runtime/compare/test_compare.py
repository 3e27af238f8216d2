"""A whole comparison, from one file or many, by every way that columns and counts come."""

from __future__ import annotations

import csv
import json
import math
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest

import cellport
from cellport.runtime.compare.counts import Queries
from cellport.runtime.compare.inputs import read_result
from cellport.runtime.compare.show.figures import category_colours
from cellport.runtime.compare.study import Columns, Sources, Study, read_study
from cellport.runtime.errors import InputError, OutputError

WHO = {"sample": "donor"}


def told(study: SimpleNamespace, **changes: Any) -> Study:
    columns = Columns(**{"condition": "disease", "sample": "donor", **changes})
    queries = Queries([study.query])
    try:
        return read_study([read_result(study.mapped)], columns, Sources(queries))
    finally:
        queries.close()


def test_cells_and_counts_are_those_of_pandas(study: SimpleNamespace) -> None:
    found = told(study)
    assert found.samples.names == ("d0", "d2", "d4", "d6", "d1", "d3", "d5", "d7")
    assert found.samples.condition == ("healthy",) * 4 + ("ill",) * 4
    cells = study.result.assign(donor=study.obs["donor"].astype(str))
    by_kind = {one.kind: one for one in found.compositions}
    assert set(by_kind) == {"type", "call", "novel", "novel_group", "pseudotime"}
    expected = pd.crosstab(cells["donor"], cells["cellport_call"])
    order = list(found.samples.names)
    np.testing.assert_array_equal(by_kind["call"].cells, expected.loc[order])
    # labels weigh by their probability, and what is left of it is of no type
    weights = cells.groupby(["donor", "cellport_label"], observed=True)["cellport_prob"].sum()
    types = by_kind["type"]
    for at, name in enumerate(types.categories[:3]):
        np.testing.assert_allclose(types.cells[:, at], [weights[d, name] for d in order])
    assert types.categories[3:] == ("(not sure)",)
    np.testing.assert_allclose(types.cells.sum(axis=1), 90)
    # cells unlike the atlas stand beside calls, by the type nearest to them
    new = cells["cellport_novel"].to_numpy()
    label, call = (cells[f"cellport_{one}"].astype(str) for one in ("label", "call"))
    expected = pd.crosstab(cells["donor"], np.where(new, "unlike, near " + label, call))
    groups = by_kind["novel_group"]
    np.testing.assert_array_equal(groups.cells, expected.loc[order, list(groups.categories)])
    assert by_kind["novel"].categories == ("like the atlas", "unlike the atlas")
    counts = found.counts
    assert counts is not None
    assert counts.types == ("B", "NK", "T")
    dense = pd.DataFrame(study.counts.toarray().astype(int))
    keys = [cells["donor"].to_numpy(), cells["cellport_call"].astype(str).to_numpy()]
    summed = dense.groupby(keys).sum()
    for row, key in enumerate(zip(counts.sample, counts.type, strict=True)):
        np.testing.assert_array_equal(counts.counts[row], summed.loc[key])


@pytest.fixture(scope="module")
def found(study: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    folder = tmp_path_factory.mktemp("compared")
    made = cellport.compare(
        study.mapped, "disease", sample="donor", counts=study.query, out=folder / "out",
        report=True, figures=folder / "figures",
    )  # fmt: skip
    return SimpleNamespace(comparison=made, out=folder / "out", figures=folder / "figures")


def test_genes_that_change_are_found_in_their_type_alone(found: SimpleNamespace) -> None:
    by_type = {one.type: one for one in found.comparison.expression}
    t_cells = by_type["T"].genes
    assert set(t_cells["gene"][:5]) == {f"GENE{at}" for at in range(5)}
    assert (t_cells["p_adjusted"][:5] < 1e-3).all()
    assert t_cells["log2_fold_change"][:5].mean() > 1.5
    assert (t_cells["shrunken"].abs() <= t_cells["log2_fold_change"].abs() + 0.2).all()
    assert by_type["B"].significant + by_type["NK"].significant <= 3
    assert by_type["B"].samples == found.comparison.study.samples.names


def test_pseudotime_is_compared_by_sample(found: SimpleNamespace) -> None:
    means = [one for one in found.comparison.composition if one.kind == "pseudotime mean"]
    assert means[0].category == "mean"
    assert means[0].p < 1e-3
    assert means[0].change == pytest.approx(0.5 - 1 / 3, abs=0.05)
    assert {one.category for one in means} >= {"median", "mean within B"}
    steps = [one for one in found.comparison.composition if one.kind == "pseudotime"]
    assert [one.category for one in steps[:2]] == ["0.0 to 0.1", "0.1 to 0.2"]
    assert steps[0].change < -0.8


def test_tables(found: SimpleNamespace) -> None:
    files = {path.relative_to(found.out).as_posix() for path in found.out.rglob("*.*")}
    assert files >= {
        "samples.csv", "composition.csv", "expression.csv", "notes.txt", "report.html",
        "shares_type.csv", "expression/T.csv", "expression/B.csv",
    }  # fmt: skip
    with (found.out / "expression" / "T.csv").open() as file:
        rows = list(csv.DictReader(file))
    genes = {one.type: one for one in found.comparison.expression}["T"].genes
    assert [row["gene"] for row in rows] == genes["gene"].tolist()
    assert float(rows[0]["p"]) == pytest.approx(genes["p"][0], rel=1e-5)


def test_every_picture_has_its_table_and_says_what_it_does_not_show(
    found: SimpleNamespace,
) -> None:
    names = {path.stem for path in found.figures.glob("*.svg")}
    assert names >= {"composition_type", "changes_type", "volcano_T", "genes", "changes_pseudotime"}
    assert names >= {"points_T", "points_B", "changes_novel_group"}
    captions = (found.figures / "README.txt").read_text()
    for name in names:
        root = ET.fromstring((found.figures / f"{name}.svg").read_text())
        assert root.get("viewBox")
        assert (found.figures / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert len((found.figures / f"{name}.csv").read_text().splitlines()) > 1
        assert f"{name}: " in captions


def test_points_are_samples(study: SimpleNamespace, found: SimpleNamespace) -> None:
    points = pd.read_csv(found.figures / "points_T.csv")
    t_cells = {one.type: one for one in found.comparison.expression}["T"]
    genes = t_cells.genes["gene"].head(t_cells.significant).tolist()
    assert 5 <= len(genes) <= 8
    assert points["gene"].unique().tolist() == genes
    is_t = (study.result["cellport_call"] == "T").to_numpy()
    for row in points.itertuples():
        mine = study.counts[is_t & (study.obs["donor"] == row.sample).to_numpy()].toarray().sum(0)
        at = int(row.gene.removeprefix("GENE"))
        assert row.counts_per_10000 == pytest.approx(1e4 * mine[at] / mine.sum(), rel=1e-5)
        assert row.condition == ("ill" if int(row.sample[1:]) % 2 else "healthy")
    drawn = (found.figures / "points_T.svg").read_text()
    assert drawn.count("<circle") == len(points)


def test_a_name_has_one_colour_in_all_kinds(found: SimpleNamespace) -> None:
    colours = category_colours(found.comparison.study.compositions)
    for name in ("B", "T", "NK"):
        assert len({of[name] for of in colours.values() if name in of}) == 1
    for of in colours.values():
        own = [colour for colour in of.values() if colour.startswith("k") and colour[1:].isdigit()]
        assert len(set(own)) == len(own)
    assert colours["novel"] == {"like the atlas": "ref", "unlike the atlas": "new"}


def test_the_page_needs_nothing_else(found: SimpleNamespace) -> None:
    page = (found.out / "report.html").read_text()
    assert "ill</bdi> against" in page
    assert "Each sample is one observation" in page
    assert not re.search(r"(src|href)=\"(?!#)", page)
    for words in (
        "not numbers of cells",
        "no proof that nothing changed",
        "sure, not large",
        "A point is a sample",
    ):
        assert words in page
    assert page.count("<svg") == page.count("</svg>") > 6


def test_pseudobulk_written_while_mapping_gives_the_same(
    study: SimpleNamespace,
    tiny_fork: Callable[..., Any],
    tiny_path_atlas: Path,
    tmp_path: Path,
) -> None:
    cells = tiny_fork(400, seed=5)
    donor = np.arange(400) % 8
    cells.obs["donor"] = [f"d{at}" for at in donor]
    cells.obs["disease"] = np.where(donor % 2, "ill", "healthy")
    cells.write_h5ad(tmp_path / "query.h5ad")
    how = cellport.MapOptions(pseudobulk="donor,disease,cellport_call")
    atlas = cellport.load_atlas(tiny_path_atlas)
    summary = cellport.map_files(atlas, tmp_path / "query.h5ad", tmp_path / "mapped.h5ad", how)
    columns = Columns("disease", "donor")
    # found beside the cells, given alone, or summed up from the query
    beside = read_study([read_result(tmp_path / "mapped.h5ad")], columns, Sources())
    alone = read_study([read_result(summary.pseudobulk)], columns, Sources())
    queries = Queries([tmp_path / "query.h5ad"])
    read = read_study([read_result(tmp_path / "mapped.h5ad")], columns, Sources(queries))
    queries.close()
    assert beside.samples == alone.samples == read.samples
    for one in (beside, alone):
        assert one.counts is not None
        assert read.counts is not None
        assert (one.counts.sample, one.counts.type) == (read.counts.sample, read.counts.type)
        np.testing.assert_array_equal(one.counts.counts, read.counts.counts)
    kinds = {one.kind: one for one in beside.compositions}
    # all probabilities of all labels: every cell counts as one
    np.testing.assert_allclose(kinds["type"].cells.sum(axis=1), 50, atol=0.01)
    assert set(kinds) == {"type", "call"}
    with_time = {one.kind for one in read.compositions}
    assert with_time >= {"type", "call", "cluster", "novel", "edge", "pseudotime"}


def test_many_files_are_a_sample_each(study: SimpleNamespace, tmp_path: Path) -> None:
    files = []
    for donor in sorted(set(study.obs["donor"])):
        rows = (study.obs["donor"] == donor).to_numpy()
        files.append(tmp_path / f"{donor}.h5ad")
        anndata.AnnData(obs=study.result[rows]).write_h5ad(files[-1])
    table = tmp_path / "samples.csv"
    lines = [f"d{at},{'ill' if at % 2 else 'healthy'}" for at in range(8)]
    table.write_text("\n".join(["sample,disease", *lines]))
    made = cellport.compare(files, "disease", samples=table)
    one_file = cellport.compare(study.mapped, "disease", sample="donor", counts=study.query)
    p = [[one.p for one in found.composition] for found in (made, one_file)]
    np.testing.assert_allclose(*p, equal_nan=True)
    assert made.expression == ()
    assert "Expression was not compared" in made.notes[-1]


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".parquet"])
def test_results_of_every_format(study: SimpleNamespace, tmp_path: Path, ending: str) -> None:
    file, frame = tmp_path / f"mapped{ending}", study.result.rename_axis("cell")
    if ending == ".parquet":
        frame.reset_index().to_parquet(file)
    else:
        frame.to_csv(file, sep="\t" if ending == ".tsv" else ",")
    queries = Queries([study.query])
    found = read_study([read_result(file)], Columns("disease", "donor"), Sources(queries))
    queries.close()
    for one, other in zip(found.compositions, told(study).compositions, strict=True):
        assert (one.kind, one.categories) == (other.kind, other.categories)
        np.testing.assert_allclose(one.cells, other.cells, rtol=1e-5)


def test_halves_of_donors_are_samples_in_pairs(
    make_study: Callable[..., Any], tmp_path: Path
) -> None:
    both = make_study(tmp_path, donors=10, paired=True)
    with pytest.raises(InputError, match="Sample 'd0' has cells of 'healthy' and of 'ill'"):
        told(both)
    found = told(both, pairs="donor")
    assert len(found.samples) == 10
    assert found.samples.pair == tuple(f"d{at}" for at in range(5)) * 2
    assert found.samples.names[0] == "d0 | healthy"


def test_batches_are_held_even(study: SimpleNamespace) -> None:
    assert set(told(study, batch="run").samples.batch or ()) == {"r1", "r2"}
    with pytest.raises(InputError, match="no column 'lane'"):
        told(study, batch="lane")


def test_cells_without_a_sample_are_left_out(study: SimpleNamespace, tmp_path: Path) -> None:
    query = anndata.read_h5ad(study.query)
    query.obs.loc[query.obs_names[:30], "donor"] = np.nan
    query.write_h5ad(tmp_path / "query.h5ad")
    changed = SimpleNamespace(query=tmp_path / "query.h5ad", mapped=study.mapped)
    found = told(changed)
    assert found.notes == ("30 of 720 cells have no sample or no condition and are left out.",)
    assert sum(one.cells.sum() for one in found.compositions if one.kind == "call") == 690


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"sample": "donr"}, "no column 'donr'.*give the files that were mapped as --counts"),
        ({"condition": "diseas"}, "no column 'diseas'"),
        ({"sample": None}, "name the column that tells samples apart as --sample"),
    ],
)
def test_columns_that_are_nowhere(
    study: SimpleNamespace, change: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        told(study, **change)


def test_what_is_no_result_is_refused(study: SimpleNamespace, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no column of a mapping"):
        read_result(study.query)
    (tmp_path / "a.h5ad").write_text("no")
    with pytest.raises(InputError, match="cannot be read as"):
        read_result(tmp_path / "a.h5ad")
    with pytest.raises(InputError, match="does not exist"):
        read_result(tmp_path / "b.h5ad")
    (tmp_path / "a.xlsx").write_text("no")
    with pytest.raises(InputError, match="is no result of cellport map"):
        read_result(tmp_path / "a.xlsx")
    with pytest.raises(OutputError, match="is a file; give the name of a folder"):
        cellport.compare(study.mapped, "disease", out=tmp_path / "a.xlsx")


def test_files_of_other_cells_are_refused(study: SimpleNamespace, tmp_path: Path) -> None:
    query = anndata.read_h5ad(study.query)
    query.obs_names = [f"x{at}" for at in range(query.n_obs)]
    query.write_h5ad(tmp_path / "query.h5ad")
    with pytest.raises(InputError, match="No cell of the files of --counts"):
        told(SimpleNamespace(query=tmp_path / "query.h5ad", mapped=study.mapped))


def test_command_line(study: SimpleNamespace, tmp_path: Path) -> None:
    command = [
        sys.executable, "-m", "cellport", "compare", str(study.mapped), "--condition", "disease",
        "--sample", "donor", "--counts", str(study.query), "-o", str(tmp_path / "out"),
        "--reference-level", "ill",
    ]  # fmt: skip
    done = subprocess.run([*command, "--json"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert {one["level"] for one in said["composition"]} == {"healthy"}
    assert [one["type"] for one in said["expression"]] == ["B", "NK", "T"]
    assert not (tmp_path / "out" / "report.html").exists()
    done = subprocess.run(command, capture_output=True, text=True)
    assert "T, healthy: " in done.stdout
    done = subprocess.run([*command, "--pairs", "nothing"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "no column 'nothing'" in done.stderr


def test_names_that_are_markup_and_formulas(study: SimpleNamespace, tmp_path: Path) -> None:
    query = anndata.read_h5ad(study.query)
    query.obs["disease"] = np.where(query.obs["disease"] == "ill", "<b>ill</b>", "=1+1")
    query.write_h5ad(tmp_path / "query.h5ad")
    cellport.compare(
        study.mapped, "disease", sample="donor", counts=tmp_path / "query.h5ad",
        out=tmp_path / "out", report=True,
    )  # fmt: skip
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<b>ill" not in page
    assert "&lt;b&gt;ill" in page
    with (tmp_path / "out" / "composition.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["reference"] for row in rows} == {"<b>ill</b>"}
    assert {row["level"] for row in rows} == {"'=1+1"}


def test_too_few_samples_is_an_answer(make_study: Callable[..., Any], tmp_path: Path) -> None:
    few = make_study(tmp_path, donors=3)
    found = cellport.compare(few.mapped, "disease", sample="donor", counts=few.query,
                             out=tmp_path / "out", report=True)  # fmt: skip
    assert all(math.isnan(one.p) for one in found.composition)
    assert all(one.genes is None and "No p-value" in one.note for one in found.expression)
    assert "'ill' has 1 sample" in found.notes[0]
    page = (tmp_path / "out" / "report.html").read_text()
    assert "at least 2 samples of each are needed, and 5 in all" in page
