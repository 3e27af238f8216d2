from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.atlas.trajectory import Trajectory, read_trajectory
from cellport.runtime.base.text_table import check_table
from cellport.runtime.errors import OutputError
from cellport.runtime.mapping.gather.lineages import (
    FEWEST_CELLS,
    LineageCounts,
    QueryLineages,
    gene_table,
)


@pytest.fixture
def trajectory(fork_atlas: AtlasFile) -> Trajectory:
    found = read_trajectory(fork_atlas)
    assert found is not None
    return found


def _gathered(atlas: AtlasFile, found: Trajectory, cells: Any) -> LineageCounts:
    gathered = LineageCounts(atlas, found)
    for block, genes in cells.blocks([100]):
        gathered.add(block, genes)
    return gathered


def test_means_are_those_of_normalised_counts(
    fork_atlas: AtlasFile, trajectory: Trajectory, mapped: Callable[..., Any]
) -> None:
    cells = mapped(400, queries=())
    found = _gathered(fork_atlas, trajectory, cells).found()
    (genes,) = cells.genes
    panel = np.zeros((cells.n, fork_atlas.manifest.n_genes))
    for column, gene in enumerate(genes.panel_column):
        if gene >= 0:
            panel[:, gene] += cells.counts[:, column].toarray().ravel()
    scale = 1e4 * fork_atlas.array("gene_share")[genes.measured].sum()
    panel *= scale / np.maximum(panel.sum(axis=1, keepdims=True), 1e-6)
    edge, time = cells.obs["cellport_edge"], cells.obs["cellport_pseudotime"]
    for lineage in range(2):
        on = (edge >= 0) & trajectory.lineage_edges[lineage][edge]
        first, last = trajectory.time[lineage]
        step = np.clip(((time - first) / (last - first) * 16), 0, 15)
        for here in (0, 7, 15):
            inside = on & (np.nan_to_num(step, nan=-1).astype(int) == here)
            assert found.cells[lineage, here] == inside.sum()
            np.testing.assert_allclose(
                found.expression[lineage, here], panel[inside].mean(axis=0), rtol=1e-4, atol=1e-4
            )
    np.testing.assert_array_equal(found.measured, genes.measured)


def test_a_gene_that_one_query_lacks_is_not_measured(
    fork_atlas: AtlasFile, trajectory: Trajectory, mapped: Callable[..., Any]
) -> None:
    cells = mapped(300)
    found = _gathered(fork_atlas, trajectory, cells).found()
    everywhere = np.all([genes.measured for genes in cells.genes], axis=0)
    assert 0 < everywhere.sum() < cells.genes[0].measured.sum()
    np.testing.assert_array_equal(found.measured, everywhere)


def test_agreement_is_a_correlation(trajectory: Trajectory) -> None:
    shape = trajectory.expression.shape
    cells = np.full(shape[:2], 100)
    measured = np.ones(shape[2], np.bool_)
    measured[5] = False
    same = QueryLineages(cells, trajectory.expression.astype(np.float64), measured)
    found = same.agreement(trajectory)
    assert np.isnan(found[:, 5]).all()
    np.testing.assert_allclose(np.delete(found, 5, axis=1), 1, atol=1e-9)
    turned = 1 / (1 + trajectory.expression.astype(np.float64)) - 1
    opposite = QueryLineages(cells, 1000 * (turned + 1), measured).agreement(trajectory)
    assert (np.delete(opposite, 5, axis=1) < 0).all()
    flat = QueryLineages(cells, np.ones(shape), measured)
    assert np.isnan(flat.agreement(trajectory)).all()
    np.testing.assert_array_equal(np.delete(flat.change(), 5, axis=1), 0)


def test_too_few_cells_say_nothing(trajectory: Trajectory) -> None:
    shape = trajectory.expression.shape
    cells = np.full(shape[:2], FEWEST_CELLS - 1)
    cells[1] = FEWEST_CELLS
    few = QueryLineages(cells, trajectory.expression.astype(float), np.ones(shape[2], np.bool_))
    assert np.isnan(few.agreement(trajectory)[0]).all()
    assert np.isfinite(few.agreement(trajectory)[1]).all()
    assert np.isnan(few.change()[0]).all()


@pytest.mark.parametrize(("name", "separator"), [("genes.tsv", "\t"), ("genes.CSV", ",")])
def test_the_table_has_a_line_for_each_lineage_and_gene(
    name: str,
    separator: str,
    fork_atlas: AtlasFile,
    trajectory: Trajectory,
    mapped: Callable[..., Any],
) -> None:
    counts = _gathered(fork_atlas, trajectory, mapped(2000))
    text = gene_table(counts, name).decode()
    rows = list(csv.DictReader(io.StringIO(text), delimiter=separator))
    assert len(rows) == 2 * fork_atlas.manifest.n_genes
    change = [float(row["change"]) for row in rows if row["lineage"] == "left"]
    assert change == sorted(change, reverse=True)
    blank = {row["gene"] for row in rows if not row["query_change"]}
    assert blank == set(counts.gene_names[~counts.found().measured])


@pytest.mark.parametrize(
    ("name", "says"), [("genes.txt", ".csv or .tsv"), ("no/genes.csv", "does not exist")]
)
def test_a_table_that_cannot_be_written_is_refused(tmp_path: Path, name: str, says: str) -> None:
    with pytest.raises(OutputError, match=says):
        check_table(tmp_path / name, [])
