"""The page of a mapping without a model: any labels, calls, novelty and files."""

from __future__ import annotations

import datetime
from dataclasses import replace
from functools import partial
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cellport.runtime.atlas.manifest import Manifest
from cellport.runtime.atlas.trajectory import Trajectory
from cellport.runtime.mapping.gather.findings import Findings
from cellport.runtime.mapping.gather.lineages import QueryLineages
from cellport.runtime.mapping.gather.paths import PathFindings
from cellport.runtime.report.background import Background
from cellport.runtime.report.contents import ReportContents
from cellport.runtime.report.page import render

STATES = ("left", "right", "up")
LABELS = ("B cell", "T cell", "monocyte")
VOID = {"meta", "br", "hr", "wbr", "path"}


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
    cells: Any,
    facts: dict[str, Any] | None = None,
    trajectory: Trajectory | None = None,
    query_lineages: QueryLineages | None = None,
    **manifest: Any,
) -> ReportContents:
    labels = cells.schema.categories("cellport_label")[:-1]
    queries = cells.schema.categories("cellport_query") or ("query.h5ad",)
    genes = {
        "column": "index", "organism": "human", "n_panel": 100, "n_query": 900, "n_matched": 90,
        "share": 0.9, "coverage": 0.9, "by_rule": {"symbol": 80, "Ensembl id": 10},
        "n_duplicated": 0, "n_ambiguous": 0, "warnings": [],
        "missing": [f"GENE{i}" for i in range(10)],
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
def made_up(forgery: Any, made_up_cells: Any) -> Any:
    """How to make up cells, what is known of them, and their page."""
    contents = partial(_contents, forgery.manifest())
    return SimpleNamespace(
        cells=made_up_cells, contents=contents, read=Page, page=lambda c: Page(render(c))
    )
