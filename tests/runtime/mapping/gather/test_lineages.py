from __future__ import annotations

import csv
import io
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cellport.runtime.atlas.file import npy_bytes, open_atlas_file
from cellport.runtime.atlas.trajectory import Trajectory, read_trajectory
from cellport.runtime.columns import MappedBlock
from cellport.runtime.errors import OutputError
from cellport.runtime.genes.match import GeneMatch
from cellport.runtime.mapping.gather.lineage_counts import (
    FEWEST_CELLS,
    LineageCounts,
    QueryLineages,
    check_table,
    gene_table,
)
from cellport.runtime.sources.block import CountBlock

N_GENES = 100


@pytest.fixture
def path_atlas(made_up_path: Any, rewritten_atlas: Callable[..., Path]) -> Any:
    members = {
        f"arrays/{name}.npy": npy_bytes(array)
        for name, array in made_up_path.arrays(N_GENES).items()
    }
    return open_atlas_file(rewritten_atlas(members, training={"structure": made_up_path.summary}))


@pytest.fixture
def trajectory(path_atlas: Any) -> Trajectory:
    found = read_trajectory(path_atlas)
    assert found is not None
    return found


class Cells:
    """A query of 120 genes, 90 of them in the panel, whose places are made up."""

    def __init__(self, n: int = 400, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.counts = sp.csr_matrix(rng.poisson(0.5, (n, 120)).astype(np.float32))
        self.edge = rng.integers(-1, 3, n).astype(np.int32)
        self.time = np.where(self.edge < 0, np.nan, rng.random(n)).astype(np.float32)
        column = np.full(120, -1, np.int32)
        column[:95] = np.concatenate([rng.permutation(N_GENES)[:90], np.full(5, -1)])
        measured = np.zeros(N_GENES, np.bool_)
        measured[column[column >= 0]] = True
        self.genes = GeneMatch(column, measured, "index", "human", {}, 0, (), (), ())

    def block(self, start: int, stop: int) -> MappedBlock:
        part = self.counts[start:stop]
        counts = CountBlock(
            start, part.indptr.astype(np.int64), part.indices.astype(np.int32), part.data
        )
        obs = {"cellport_edge": self.edge[start:stop], "cellport_pseudotime": self.time[start:stop]}
        names = np.array([str(i) for i in range(start, stop)], object)
        return MappedBlock(start, names, obs, {}, counts)


def _gathered(atlas: Any, found: Trajectory, cells: Cells, cuts: list[int]) -> QueryLineages:
    gathered = LineageCounts(atlas, found)
    edges = [0, *sorted(cuts), len(cells.edge)]
    for start, stop in pairwise(edges):
        gathered.add(cells.block(start, stop), cells.genes)
    return gathered.found()


def test_means_are_those_of_normalised_counts(path_atlas: Any, trajectory: Trajectory) -> None:
    cells = Cells()
    found = _gathered(path_atlas, trajectory, cells, [100])
    panel = np.zeros((len(cells.edge), N_GENES))
    for column, gene in enumerate(cells.genes.panel_column):
        if gene >= 0:
            panel[:, gene] += cells.counts[:, column].toarray().ravel()
    scale = 1e4 * path_atlas.array("gene_share")[cells.genes.measured].sum()
    panel *= scale / np.maximum(panel.sum(axis=1, keepdims=True), 1e-6)
    for lineage in range(2):
        on = (cells.edge >= 0) & trajectory.lineage_edges[lineage][cells.edge]
        first, last = trajectory.time[lineage]
        step = np.clip(((cells.time - first) / (last - first) * 16), 0, 15)
        for here in (0, 7, 15):
            inside = on & (np.nan_to_num(step, nan=-1).astype(int) == here)
            assert found.cells[lineage, here] == inside.sum()
            np.testing.assert_allclose(
                found.expression[lineage, here], panel[inside].mean(axis=0), rtol=1e-4, atol=1e-4
            )
    np.testing.assert_array_equal(found.measured, cells.genes.measured)


@given(cuts=st.lists(st.integers(0, 400), max_size=6))
@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_sums_do_not_depend_on_the_blocks(
    path_atlas: Any, trajectory: Trajectory, cuts: list[int]
) -> None:
    cells = Cells()
    one, other = (_gathered(path_atlas, trajectory, cells, c) for c in ([], cuts))
    np.testing.assert_array_equal(one.expression, other.expression)
    np.testing.assert_array_equal(one.cells, other.cells)


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


def test_the_table_has_a_line_for_each_lineage_and_gene(
    path_atlas: Any, trajectory: Trajectory
) -> None:
    query = _gathered(path_atlas, trajectory, Cells(2000), [])
    text = gene_table(path_atlas, trajectory, query, "\t").decode()
    rows = list(csv.DictReader(io.StringIO(text), delimiter="\t"))
    assert len(rows) == 2 * N_GENES
    change = [float(row["change"]) for row in rows if row["lineage"] == "left"]
    assert change == sorted(change, reverse=True)
    blank = {row["gene"] for row in rows if not row["query_change"]}
    missing = [path_atlas.manifest.symbols[i] for i in np.flatnonzero(~query.measured)]
    assert blank == set(missing)


@pytest.mark.parametrize(
    ("name", "says"), [("genes.txt", ".csv or .tsv"), ("no/genes.csv", "does not exist")]
)
def test_a_table_that_cannot_be_written_is_refused(tmp_path: Path, name: str, says: str) -> None:
    with pytest.raises(OutputError, match=says):
        check_table(tmp_path / name, [])
