"""Mappings without a model: any labels, calls, novelty and files, as blocks or as a page."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, replace
from functools import partial
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cellport.runtime.atlas.manifest import Manifest
from cellport.runtime.atlas.trajectory import Trajectory
from cellport.runtime.columns import QUALITIES, UNKNOWN, Column, MappedBlock, Schema
from cellport.runtime.mapping.gather.findings import Findings
from cellport.runtime.mapping.gather.lineages import QueryLineages
from cellport.runtime.mapping.gather.paths import PathFindings
from cellport.runtime.report.background import Background
from cellport.runtime.report.contents import ReportContents
from cellport.runtime.report.page import render

STATES = ("left", "right", "up")
LABELS = ("B cell", "T cell", "monocyte")
VOID = {"meta", "br", "hr", "wbr", "path"}


@dataclass(frozen=True)
class Cells:
    """Columns of a mapping that is made up."""

    schema: Schema
    obs: dict[str, Any]
    obsm: dict[str, Any]

    @property
    def n(self) -> int:
        return len(self.obs["cellport_qc"])

    def block(self, start: int, stop: int) -> MappedBlock:
        rows = slice(start, stop)
        names = np.array([f"c{i}" for i in range(start, stop)], object)
        obs = {name: values[rows] for name, values in self.obs.items()}
        return MappedBlock(start, names, obs, {k: v[rows] for k, v in self.obsm.items()})


def _cells(
    n: int,
    seed: int = 0,
    labels: tuple[str, ...] = LABELS,
    groups: tuple[str, ...] = ("lymphocyte",),
    queries: tuple[str, ...] = (),
    novel: float = 0.0,
    quality: tuple[float, ...] = (0.9, 0.02, 0.05, 0.03),
    sure: float = 0.8,
    clusters: tuple[str, ...] = (),
    edges: tuple[str, ...] = (),
    states: int = 0,
) -> Cells:
    rng = np.random.default_rng(seed)
    columns, obs = [], {}
    if labels:
        calls = (*labels, *groups, UNKNOWN)
        columns = [
            Column("cellport_label", "category", (*labels, UNKNOWN)),
            Column("cellport_prob", "float"),
            Column("cellport_call", "category", calls),
            Column("cellport_label_set", "text"),
        ]
        label = rng.integers(0, len(labels), n).astype(np.int32)
        prob = rng.random(n, np.float32)
        other = rng.integers(len(labels), len(calls), n)
        obs = {
            "cellport_label": label,
            "cellport_prob": prob,
            "cellport_call": np.where(rng.random(n) < sure, label, other).astype(np.int32),
            "cellport_label_set": rng.choice(np.array(["", "a", "a;b", "a;b;c;d"], object), n),
        }
    columns += [
        Column("cellport_novelty_p", "float"),
        Column("cellport_novel", "bool"),
        Column("cellport_qc", "category", QUALITIES),
    ]
    obs["cellport_novelty_p"] = rng.random(n, np.float32)
    obs["cellport_novel"] = rng.random(n) < novel
    obs["cellport_qc"] = rng.choice(4, n, p=quality).astype(np.int32)
    if queries:
        columns.append(Column("cellport_query", "category", queries))
        obs["cellport_query"] = np.sort(rng.integers(0, len(queries), n)).astype(np.int32)
    obsm = {
        "X_cellport": rng.normal(size=(n, 4)).astype(np.float32),
        "X_cellport_umap": rng.normal(size=(n, 2)).astype(np.float32),
    }
    if clusters:
        columns.append(Column("cellport_cluster", "category", clusters))
        obs["cellport_cluster"] = rng.integers(-1, len(clusters), n).astype(np.int32)
    if edges:
        columns += [
            Column("cellport_edge", "category", edges),
            Column("cellport_edge_fraction", "float"),
            Column("cellport_pseudotime", "float"),
            Column("cellport_pseudotime_sd", "float"),
        ]
        edge = rng.integers(-1, len(edges), n).astype(np.int32)
        obs["cellport_edge"] = edge
        for name in ("edge_fraction", "pseudotime", "pseudotime_sd"):
            values = np.where(edge < 0, np.nan, rng.random(n))
            obs[f"cellport_{name}"] = values.astype(np.float32)
        fate = rng.dirichlet(np.full(states, 0.2), n).astype(np.float32)
        obsm["X_cellport_fate"] = np.where(edge[:, None] < 0, np.nan, fate)
    schema = Schema(tuple(columns), {name: m.shape[1] for name, m in obsm.items()})
    return Cells(schema, obs, obsm)


def _background(labels: tuple[str, ...] = LABELS) -> Background:
    rng = np.random.default_rng(9)
    return Background(
        n_cells=300,
        mean=np.zeros(4),
        sd=np.ones(4),
        label_spread=np.ones(len(labels)),
        point=rng.normal(size=(300, 2)).astype(np.float32),
        centre=rng.normal(size=(len(labels), 2)),
    )


def _contents(
    small: Manifest,
    cells: Cells,
    facts: dict[str, Any] | None = None,
    trajectory: Trajectory | None = None,
    query_lineages: QueryLineages | None = None,
    **manifest: Any,
) -> ReportContents:
    labels = cells.schema.categories("cellport_label")[:-1]
    queries = cells.schema.categories("cellport_query") or ("query.h5ad",)
    genes = {
        "column": "index", "organism": "human", "n_panel": 100, "n_query": 900, "n_matched": 90,
        "share": 0.9, "by_rule": {"symbol": 80, "Ensembl id": 10}, "n_duplicated": 0,
        "n_ambiguous": 0, "missing": [f"GENE{i}" for i in range(10)], "warnings": [],
    }  # fmt: skip
    findings = Findings(cells.schema)
    findings.add(cells.block(0, cells.n))
    states = cells.obsm.get("X_cellport_fate", np.zeros((0, 0))).shape[1]
    paths = PathFindings(cells.schema, STATES[:states])
    paths.add(cells.block(0, cells.n))
    stated = {
        "atlas": "small", "atlas_sha256": "ab" * 32, "cellport_version": "0.1.0",
        "onnxruntime_version": "1.20", "device": "cpu", "notes": [],
        "counts_from": [f"/home/someone/{query}, X" for query in queries],
        "genes": genes if len(queries) == 1 else {str(i): genes for i in range(len(queries))},
        "n_cells": cells.n, "seconds": 1.25,
    }  # fmt: skip
    return ReportContents(
        manifest=replace(small, n_latent=4, labels=labels, **manifest),
        background=_background(labels),
        findings=findings,
        paths=paths,
        facts={**stated, **(facts or {})},
        out="mapped.h5ad",
        made=datetime.date(2026, 3, 4),
        trajectory=trajectory,
        query_lineages=query_lineages,
    )


class Page(HTMLParser):
    """A page taken apart, and held to be one: every element closed, in order, ids unique."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.ids: list[str] = []
        self.parts: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []
        assert len(set(self.ids)) == len(self.ids)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        # cells of a table and blocks stand apart when read
        self.parts.append(" " if tag in ("td", "th", "p", "h1", "h2", "h3", "li", "dd") else "")
        if tag not in VOID:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.parts.append(data)

    @property
    def text(self) -> str:
        """What is read, with plain spaces."""
        return " ".join("".join(self.parts).replace("\xa0", " ").split())


@pytest.fixture(scope="session")
def made_up(forgery: Any) -> Any:
    """How to make up cells, what is known of them, and their page."""
    contents = partial(_contents, forgery.manifest())
    return SimpleNamespace(
        cells=_cells, contents=contents, read=Page, page=lambda c: Page(render(c))
    )
