"""The page's TypeScript makes the decisions of the Python runtime: genes and raw counts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from cellport.runtime.atlas.structure import FATE, StructureNames, structure_answers
from cellport.runtime.errors import InputError
from cellport.runtime.genes.match import match_genes
from cellport.runtime.genes.panel import Panel
from cellport.runtime.sources.gate import classify
from cellport.runtime.sources.source import MatrixSample

WEB = Path(__file__).resolve().parents[3] / "web" / "page"


def test_genes_and_raw_counts_are_judged_alike(tiny_cells: Any, tmp_path: Path) -> None:
    if shutil.which("node") is None or not (WEB / "node_modules").is_dir():
        pytest.skip("the page's tests need node, and `npm install` in web/page/")
    (tmp_path / "genes.json").write_text(json.dumps(gene_cases(tiny_cells)))
    (tmp_path / "structure.json").write_text(json.dumps(list(structure_cases())))
    (tmp_path / "gate.json").write_text(json.dumps(list(gate_cases())))
    (tmp_path / "columns.json").write_text(json.dumps(write_columns(tmp_path / "columns.h5ad")))
    done = subprocess.run(
        ["npx", "--no-install", "vitest", "run", "same_decisions", "pieces", "--reporter=dot"],
        cwd=WEB,
        env={**os.environ, "CELLPORT_WEB_VECTORS": str(tmp_path), "NO_COLOR": "1", "CI": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" not in done.stdout, done.stdout


def gene_cases(tiny_cells: Any) -> dict[str, Any]:
    """Names of the panel's genes, spoilt in many ways at random, and what Python made of them."""
    symbols = (*tiny_cells.symbols, "", "MATR3", "HLA-A", "7SK", "straße")
    ensembl = (*tiny_cells.ensembl, "ENSG00000000003", "", "ENSG00000206503", "", "")
    panel = Panel(symbols, ensembl)
    rng = np.random.default_rng(1)
    cases = [
        gene_case(panel, f"spoilt {seed}", spoilt_names(panel, rng), organism)
        for seed in range(40)
        for organism in ("human", None)
    ]
    mouse = {"index": [f"Gene{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(300)]}
    cases += [
        gene_case(panel, "mouse", mouse, "human"),
        gene_case(panel, "R names", {"index": [s.replace("-", ".") for s in symbols]}, None),
        gene_case(panel, "nothing", {"index": []}, None),
    ]
    return {"panel": {"symbols": symbols, "ensembl": ensembl}, "cases": cases}


def spoilt_names(panel: Panel, rng: np.random.Generator) -> dict[str, list[str]]:
    spoil = [
        lambda s, e: s,
        lambda s, e: e,
        lambda s, e: f"{e}.{rng.integers(1, 20)}",
        lambda s, e: s.lower(),
        lambda s, e: f"GRCh38_{s}",
        lambda s, e: f"hg19-{e}.3",
        lambda s, e: f"{e}_{s}",
        lambda s, e: f"{s}|{e}.7",
        lambda s, e: f"{s}.1",
        lambda s, e: f"{s}-1",
        lambda s, e: s.replace("-", "."),
        lambda s, e: f"X{s}",
        lambda s, e: "",
        lambda s, e: f"LOC{rng.integers(1000)}",
    ]
    chosen = rng.choice(len(spoil), rng.integers(1, 5))
    columns = {}
    for column in ("index", "gene_ids")[: rng.integers(1, 3)]:
        genes = rng.integers(0, panel.n_genes, rng.integers(100, 400))
        columns[column] = [
            spoil[rng.choice(chosen)](panel.symbols[gene], panel.ensembl[gene]) for gene in genes
        ]
    length = min(map(len, columns.values()))
    return {column: names[:length] for column, names in columns.items()}


def gene_case(
    panel: Panel, name: str, columns: dict[str, list[str]], organism: str | None
) -> dict[str, Any]:
    case = {"name": name, "columns": columns, "organism": organism, "error": None, "match": None}
    arrays = {column: np.array(names, object) for column, names in columns.items()}
    try:
        match = match_genes(arrays, panel, organism=organism)
    except InputError as error:
        return {**case, "error": str(error)}
    found = {
        "panel_column": match.panel_column.tolist(),
        "column": match.column,
        "organism": match.organism,
        "by_rule": match.by_rule,
        "n_duplicated": match.n_duplicated,
        "ambiguous": match.ambiguous,
        "missing": match.missing,
        "warnings": match.warnings,
    }
    return {**case, "match": found}


def gate_cases() -> Iterator[dict[str, Any]]:
    rng = np.random.default_rng(2)
    for _ in range(30):
        counts = rng.poisson(rng.gamma(0.5, 2, 40), (12, 40)).astype(np.float64)
        total = np.maximum(counts.sum(axis=1, keepdims=True), 1)
        for values in (
            counts,
            counts + rng.random() * (rng.random(counts.shape) < 0.3),
            counts / total * 1e4,
            np.log1p(counts / total * 1e4),
            np.log1p(counts * rng.random((12, 1)) * 9),
            (counts - counts.mean(axis=0)) / 3,
            counts * 0,
            rng.random(counts.shape),
            counts + 1e300,
        ):
            with np.errstate(over="ignore"):
                kept = values.astype(np.float32)
            rows = np.repeat(np.arange(12), 40)
            for cells in (rows, None):
                sample = MatrixSample(kept.ravel(), cells)
                yield {
                    "values": [v if np.isfinite(v) else 1e300 for v in kept.ravel().tolist()],
                    "cells": None if cells is None else cells.tolist(),
                    "content": classify(sample),
                }


def write_columns(path: Path) -> dict[str, list[Any]]:
    """Write a file whose cells have columns of every kind, and return their values."""
    numbers = [0.5, None, -3.0, 1e9]
    kinds = {
        "flag": pd.Series([True, False, True, True]),
        "whole": pd.Series([7, 0, -1, 2**40]),
        "real": pd.Series(numbers, dtype=np.float64),
        "maybe_whole": pd.array([1, None, 3, 4], dtype="Int64"),
        "maybe_flag": pd.array([True, None, False, True], dtype="boolean"),
        "text": pd.Series(["a", "", "Ä b", "1"], dtype=object),
        "kind": pd.Categorical(["b", None, "a", "b"]),
        "sorted kind": pd.Categorical(["low", "high", "low", None], ["low", "high"], ordered=True),
        "odd:name": pd.Series([1, 2, 3, 4]),
    }
    obs = pd.DataFrame(kinds)
    obs.index = pd.Index([f"cell {i}" for i in range(4)])
    anndata.AnnData(sp.csr_matrix(np.eye(4, dtype=np.float32)), obs=obs).write_h5ad(path)
    return {
        name: [None if pd.isna(value) else value for value in pd.Series(values).tolist()]
        for name, values in kinds.items()
    }


def structure_cases() -> Iterator[dict[str, Any]]:
    """Answers at random for an atlas with a trajectory, one with clusters only, one with none."""
    rng = np.random.default_rng(3)
    every = ("root", "left", "right"), ("root -> left", "root -> right"), ("left", "right")
    for clusters, edges, ends in (every, (every[0], (), ()), ((), (), ())):
        names = StructureNames(clusters, edges, ends)
        library = rng.integers(0, 3, 50) * 100.0
        by_name = {
            name: rng.random((50, *shape), np.float32) * 0.6 for name, shape in names.shapes.items()
        }
        obs, obsm = structure_answers(names, by_name, library <= 0)
        columns = {column.name: column for column in names.columns}
        yield {
            "training": {
                "structure": {"cluster_names": clusters, "edges": edges, "terminal_states": ends}
            },
            "library": library.tolist(),
            "answers": {
                name: {"width": values[0].size, "data": values.ravel().tolist()}
                for name, values in by_name.items()
            },
            "columns": {
                name: [
                    None
                    if np.isnan(value) or value < 0
                    else columns[name].categories[value]
                    if columns[name].categories
                    else float(value)
                    for value in values
                ]
                for name, values in obs.items()
            },
            "fate": [None if np.isnan(v) else float(v) for v in obsm[FATE].ravel()]
            if FATE in obsm
            else None,
        }
