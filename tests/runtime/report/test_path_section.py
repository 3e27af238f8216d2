from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cellport.runtime.atlas.trajectory import Trajectory
from cellport.runtime.mapping.gather.lineages import QueryLineages
from cellport.runtime.report.page import render

EDGES = ("stem -> fork", "fork -> left", "fork -> right")


@pytest.fixture
def trajectory(made_up_path: Any) -> Trajectory:
    arrays, graph = made_up_path.arrays(3), made_up_path.structure.trajectory
    return Trajectory(
        milestones=graph.milestones,
        edges=graph.edge_names,
        ends=np.array(graph.edges),
        path=arrays["trajectory_path"],
        share=arrays["trajectory_share"],
        terminals=graph.terminal_names,
        bound=arrays["trajectory_bound"],
        lineage_edges=arrays["lineage_edges"] > 0,
        time=arrays["lineage_time"],
        expression=arrays["lineage_expression"],
    )


@pytest.fixture
def on_path(made_up: Any) -> Any:
    return made_up.cells(400, clusters=("0", "1"), edges=EDGES, states=2)


def _query(
    trajectory: Trajectory, measured: tuple[bool, ...] = (True, True, True)
) -> QueryLineages:
    cells = np.full(trajectory.expression.shape[:2], 50)
    return QueryLineages(cells, trajectory.expression.astype(np.float64), np.array(measured))


def _sections(page: Any) -> set[str]:
    return {attrs["id"] for tag, attrs in page.tags if tag == "section"}


def test_the_path_is_drawn_and_told(made_up: Any, on_path: Any, trajectory: Trajectory) -> None:
    c = made_up.contents(on_path, trajectory=trajectory, query_lineages=_query(trajectory))
    page = made_up.page(c)
    assert {"path", "lineage-genes", "clusters"} <= _sections(page)
    n_on = int((on_path.obs["cellport_edge"] >= 0).sum())
    assert "form a path from stem to left, right" in page.text
    assert f"{n_on} cells of yours" in page.text
    assert "beside the path" in page.text
    assert "still open" in page.text
    assert "1 stem start" in page.text
    assert "2 fork branching" in page.text
    assert "From stem to left" in page.text
    assert "your cells too" in page.text
    assert "take the same course in your cells" in page.text
    assert "nan" not in page.text
    kinds = [attrs.get("class", "") for tag, attrs in page.tags if tag == "path"]
    assert {"way", "stop", "root", "line", "dots", "bar"} <= set(kinds)
    assert {f"t{i}" for i in range(10)} <= set(kinds)


def test_a_circle_is_told(made_up: Any, on_path: Any, trajectory: Trajectory) -> None:
    path = trajectory.path.copy()
    path[2, -1] = path[1, -1]
    circle = replace(trajectory, path=path)
    assert "is a circle" in made_up.page(made_up.contents(on_path, trajectory=circle)).text
    assert "circle" not in made_up.page(made_up.contents(on_path, trajectory=trajectory)).text


def test_shares_of_an_edge_are_of_cells_on_the_path(
    made_up: Any, on_path: Any, trajectory: Trajectory
) -> None:
    page = made_up.page(made_up.contents(on_path, trajectory=trajectory))
    edge = on_path.obs["cellport_edge"]
    n = int((edge == 0).sum())
    share = f"{100 * n / (edge >= 0).sum():.0f} %"
    assert f"{n} cells: {share} of those on the path, 33 % of the atlas’s" in page.text


def test_without_counts_the_atlas_speaks_alone(
    made_up: Any, on_path: Any, trajectory: Trajectory
) -> None:
    page = made_up.page(made_up.contents(on_path, trajectory=trajectory))
    assert "own counts were not at hand" in page.text
    assert "your cells too" not in page.text


def test_genes_that_were_not_measured_are_left_out(
    made_up: Any, on_path: Any, trajectory: Trajectory
) -> None:
    c = made_up.contents(on_path, trajectory=trajectory)
    genes = c.manifest.panel.names.tolist()
    query = _query(trajectory, (True, False, True))
    page = made_up.page(replace(c, query_lineages=query))
    labels = " ".join(attrs.get("aria-label", "") for _, attrs in page.tags)
    assert f"{genes[0]} on the way to left" in labels
    assert f"{genes[1]} on the way" not in labels


def test_an_atlas_without_a_trajectory_has_clusters_alone(made_up: Any) -> None:
    cells = made_up.cells(200, clusters=("a", "b"))
    page = made_up.page(made_up.contents(cells))
    assert "clusters" in _sections(page)
    assert "path" not in _sections(page)
    biggest = np.bincount(cells.obs["cellport_cluster"][cells.obs["cellport_cluster"] >= 0])
    assert f"cluster {'ab'[biggest.argmax()]} {biggest.max()} " in page.text


def test_no_cells_and_cells_beside_the_path(
    made_up: Any, on_path: Any, trajectory: Trajectory
) -> None:
    nobody = made_up.cells(0, clusters=("0", "1"), edges=EDGES, states=2)
    assert "path" not in _sections(made_up.page(made_up.contents(nobody, trajectory=trajectory)))
    away = replace(on_path, obs=on_path.obs | {
        "cellport_edge": np.full(on_path.n, -1, np.int32),
        "cellport_pseudotime": np.full(on_path.n, np.nan, np.float32),
    })  # fmt: skip
    text = made_up.page(made_up.contents(away, trajectory=trajectory)).text
    assert "0 cells of yours" in text
    assert "nan" not in text


@pytest.mark.parametrize(
    "title", ["<script>alert(1)</script>", '"><img src=x>', "a -> b", "\u202e"]
)
def test_names_are_never_markup(made_up: Any, trajectory: Trajectory, title: str) -> None:
    edges = (f"{title} -> fork", "fork -> left", "fork -> right")
    named = replace(trajectory, milestones=(title, *trajectory.milestones[1:]), edges=edges)
    cells = made_up.cells(100, clusters=(title, "1"), edges=edges, states=2)
    c = made_up.contents(cells, trajectory=named, query_lineages=_query(named))
    made_up.page(c)
    page = render(c)
    assert "<script>" not in page
    assert "<img" not in page
    assert "\u202e" not in page


def test_a_mapping_shows_the_queries_own_counts(
    tiny_path_atlas: Path, tiny_fork: Callable[..., Any], tmp_path: Path, made_up: Any
) -> None:
    from cellport import load_atlas, map_files

    query, out, report, table = (
        tmp_path / name for name in ("query.h5ad", "out.h5ad", "report.html", "genes.csv")
    )
    tiny_fork(seed=1).write_h5ad(query)
    atlas = load_atlas(tiny_path_atlas)
    summary = map_files(atlas, query, out, report=report, lineage_genes=table)
    page = made_up.read(report.read_text("utf-8"))
    assert {"path", "lineage-genes", "clusters"} <= _sections(page)
    assert "take the same course in your cells" in page.text
    assert summary.lineage_genes == str(table)
    assert len(table.read_text().splitlines()) == 1 + len(atlas.lineage_genes())
