"""The page's TypeScript against the Python runtime: the same cells, genes, values and answers."""

from __future__ import annotations

import gzip
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
import scipy.io
import scipy.sparse as sp

from cellport.demo import LABELS, write_sample
from cellport.runtime.atlas import Atlas, load_atlas
from cellport.runtime.errors import InputError
from cellport.runtime.gate import classify
from cellport.runtime.genes import Panel, match_genes
from cellport.runtime.sources.source import Sample
from cellport.web.site import manifest_bytes

WEB = Path(__file__).resolve().parents[2] / "web"
PLAIN = {"layer": None, "allowFractional": False, "anyOrganism": False}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("node") is None or not (WEB / "node_modules").is_dir():
        pytest.skip("the page's tests need node, and `npm ci` in web/")
    return tmp_path_factory.mktemp("vectors")


@pytest.fixture(scope="module")
def lung(folder: Path) -> tuple[Atlas, Any]:
    """An atlas of real lung cells, trained for a moment, and cells of another technology."""
    import torch

    from cellport.train.api import AtlasConfig, train_atlas
    from cellport.train.fit import FitConfig

    torch.set_num_threads(1)
    reference, query = write_sample(folder)
    how = AtlasConfig(
        labels=LABELS,
        batch="donor",
        n_genes=500,
        fit=FitConfig(n_latent=10, n_hidden=48, epochs=6, device="cpu"),
    )
    return load_atlas(train_atlas(reference, folder / "lung.cellport", how)), query


def test_python_and_the_page_agree(folder: Path, lung: tuple[Atlas, Any]) -> None:
    atlas, query = lung
    write_parts(atlas, folder / "atlas")
    write_json(folder / "mapped.json", list(mapped_cases(atlas, query, folder)))
    write_json(folder / "genes.json", gene_cases(atlas))
    write_json(folder / "gate.json", list(gate_cases()))
    done = subprocess.run(
        ["npx", "--no-install", "vitest", "run", "--reporter=dot"],
        cwd=WEB,
        env={**os.environ, "CELLPORT_WEB_VECTORS": str(folder), "NO_COLOR": "1", "CI": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" not in done.stdout, done.stdout


def write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, allow_nan=True).replace("NaN", "null"))


def write_parts(atlas: Atlas, folder: Path) -> None:
    (folder / "arrays").mkdir(parents=True)
    (folder / "manifest.json").write_bytes(manifest_bytes(atlas.file))
    for name in atlas.file.members:
        (folder / name).write_bytes(atlas.file.read(name))


def mapped_cases(atlas: Atlas, path: Path, folder: Path) -> Iterator[dict[str, Any]]:
    cells = anndata.read_h5ad(path)
    cells.X = sp.csr_matrix(cells.X)
    for name, changed, options in variants(cells):
        changed.write_h5ad(folder / f"{name}.h5ad", compression="gzip")
        yield mapped_case(atlas, folder, name, [f"{name}.h5ad"], options)
    yield mapped_case(atlas, folder, "tenx_h5", [write_tenx_h5(cells, folder)], PLAIN)
    yield mapped_case(atlas, folder, "tenx_mtx", write_tenx_mtx(cells, folder), PLAIN)


def variants(cells: Any) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """The same cells in every layout and with every fault that the gate or the genes may meet."""
    logged = sp.csr_matrix(cells.X.multiply(1e4 / cells.X.sum(axis=1)).log1p())
    rng = np.random.default_rng(0)

    def changed(values: Any = None, **fields: Any) -> Any:
        other = cells.copy()
        if values is not None:
            other.X = values
        for name, value in fields.items():
            setattr(other, name, value)
        return other

    yield "plain", cells, PLAIN
    yield "int64", changed(cells.X.astype(np.int64)), PLAIN
    yield "csc", changed(sp.csc_matrix(cells.X)), PLAIN
    yield "dense", changed(cells.X.toarray()), PLAIN
    yield "layer", changed(logged, layers={"counts": cells.X.copy()}), PLAIN
    raw = changed()
    raw.raw = raw.copy()
    raw.X = logged
    yield "raw", raw, PLAIN
    yield "logged", changed(logged), PLAIN
    yield "named_layer", changed(layers={"other": logged}), {**PLAIN, "layer": "other"}
    fractional = cells.X.astype(np.float32)
    fractional.data[::9] += 0.25
    yield "fractional_refused", changed(fractional), PLAIN
    yield "fractional", changed(fractional), {**PLAIN, "allowFractional": True}
    empty = cells.X.tolil()
    empty[3], empty[11, 200:] = 0, 0
    yield "empty_cells", changed(sp.csr_matrix(empty)), PLAIN
    kept = np.sort(rng.choice(cells.n_vars, cells.n_vars // 2, replace=False))
    yield "half_the_genes", cells[:, kept].copy(), PLAIN
    yield "hardly_a_gene", cells[:, : cells.n_vars // 20].copy(), PLAIN
    names = [*cells.var_names, *cells.var_names[:300]]
    twice = pd.DataFrame({"symbol": names}, index=[f"row{i}" for i in range(len(names))])
    both = sp.csr_matrix(sp.hstack([cells.X, cells.X[:, :300]]))
    yield "repeated_genes", anndata.AnnData(both, obs=cells.obs, var=twice), PLAIN
    mouse = changed()
    mouse.var_names = [name.capitalize() for name in mouse.var_names]
    yield "mouse", mouse[:, :].copy(), PLAIN
    yield "any_organism", mouse, {**PLAIN, "anyOrganism": True}


def mapped_case(
    atlas: Atlas, folder: Path, name: str, files: list[str], options: dict[str, Any]
) -> dict[str, Any]:
    case = {"name": name, "files": files, "options": options, "error": None}
    # a browser knows a file's name, not its folder
    where = f"{folder}/"
    try:
        stream = atlas.stream(
            folder / files[0],
            layer=options["layer"],
            allow_fractional=options["allowFractional"],
            any_organism=options["anyOrganism"],
        )
        blocks = list(stream.blocks)
    except InputError as error:
        return {**case, "error": str(error).replace(where, "")}
    columns = {}
    for column in stream.schema.columns:
        values = np.concatenate([block.obs[column.name] for block in blocks])
        if column.kind == "category":
            values = np.array(column.categories, object)[values]
        columns[column.name] = values.tolist()
    return {
        **case,
        "cells": [cell for block in blocks for cell in block.cell_names],
        "columns": columns,
        "matrices": {
            key: np.concatenate([block.obsm[key] for block in blocks]).tolist()
            for key in stream.schema.obsm
        },
        "notes": [note.replace(where, "") for note in stream.notes],
    }


def write_tenx_h5(cells: Any, folder: Path) -> str:
    import h5py

    counts = sp.csr_matrix(cells.X)
    with h5py.File(folder / "tenx.h5", "w") as file:
        group = file.create_group("matrix")
        group["shape"] = np.array([cells.n_vars, cells.n_obs], np.int32)
        group.create_dataset("indptr", data=counts.indptr.astype(np.int64), compression="gzip")
        group.create_dataset(
            "indices", data=counts.indices.astype(np.int64), compression="gzip", shuffle=True
        )
        group.create_dataset("data", data=counts.data.astype(np.int32), compression="gzip")
        group["barcodes"] = cells.obs_names.to_numpy().astype("S")
        features = group.create_group("features")
        features["id"] = np.array([f"id{i}" for i in range(cells.n_vars)]).astype("S")
        features["name"] = cells.var_names.to_numpy().astype("S")
        types = np.full(cells.n_vars, "Gene Expression", "S20")
        types[-2:] = "Antibody Capture"
        features["feature_type"] = types
    return "tenx.h5"


def write_tenx_mtx(cells: Any, folder: Path) -> list[str]:
    features = "".join(f"id{i}\t{name}\n" for i, name in enumerate(cells.var_names))
    names = "".join(f"{name}\n" for name in cells.obs_names)
    (folder / "features.tsv").write_text(features)
    # two members, as some tools that compress in parallel write them
    half = len(names) // 2
    packed = gzip.compress(names[:half].encode()) + gzip.compress(names[half:].encode())
    (folder / "barcodes.tsv.gz").write_bytes(packed)
    with gzip.open(folder / "matrix.mtx.gz", "wb") as file:
        scipy.io.mmwrite(file, sp.coo_matrix(sp.csr_matrix(cells.X.astype(np.int32))).T)
    return ["matrix.mtx.gz", "features.tsv", "barcodes.tsv.gz"]


def gene_cases(atlas: Atlas) -> dict[str, Any]:
    """Names of the panel's genes, spoilt in many ways at random, and what Python made of them."""
    symbols = (*atlas.manifest.symbols[:160], "", "MATR3", "HLA-A", "7SK", "straße")
    ensembl = (*atlas.manifest.ensembl[:160], "ENSG00000000003", "", "ENSG00000206503", "", "")
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
                sample = Sample(kept.ravel(), cells)
                yield {
                    "values": [v if np.isfinite(v) else 1e300 for v in kept.ravel().tolist()],
                    "cells": None if cells is None else cells.tolist(),
                    "content": classify(sample),
                }
