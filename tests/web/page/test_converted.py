"""The page maps with atlases of other tools' models as Python does."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import scipy.sparse as sp
from parts import write_parts

from cellport.runtime.errors import InputError
from cellport.runtime.mapping.atlas import load_atlas

MODELS = (
    "celltypist_duplicates",
    "celltypist_two",
    "celltypist_no_mean",
    "scvi_default",
    "scvi_not_log",
    "scanvi_default",
    "scanvi_ln",
    "scpoli_default",
    "scimilarity",
)
# columns of cells to group by, and one that is not there
CLUSTERED = ("auto", "words", "leiden", "numbers", "whole", "flags", "nothing", "each", "Zzz?")


def test_converted_atlases_on_the_page(
    converted: Callable[[str], Path],
    foreign_query: Path,
    compute_again: Callable[..., None],
    tmp_path: Path,
) -> None:
    shutil.copy(foreign_query, tmp_path)
    whole = anndata.read_h5ad(foreign_query)
    whole[:, ::3].write_h5ad(tmp_path / "fewer_genes.h5ad")
    _write_clustered(whole, tmp_path / "clustered.h5ad")
    cases = [case for name in MODELS for case in _cases(converted(name), tmp_path)]
    assert {name for case in cases for name in case["columns"]} >= {
        "cellport_prob",
        "cellport_distance",
        "cellport_labels_above_half",
        "cellport_group",
        "cellport_group_label",
        "cellport_group_share",
    }
    labels = [set(case["columns"].get("cellport_labels_above_half", ())) for case in cases]
    assert any(";" in text for found in labels for text in found)
    assert any("Unassigned" in found for found in labels)
    assert {"empty", "no column", "no labels"} <= {
        part
        for case in cases
        for part in ("empty", "no column", "no labels")
        if part in (case["error"] or "")
    }
    (tmp_path / "converted.json").write_text(json.dumps(cases))
    compute_again(tmp_path, "same_converted")


def test_an_extended_atlas_on_the_page(
    extended_atlas_path: Path,
    tiny_cells: Any,
    tiny_new_cells: Callable[..., Any],
    compute_again: Callable[..., None],
    tmp_path: Path,
) -> None:
    """What was added to the graphs runs there as it runs here."""
    cells = anndata.concat([tiny_cells.adata()[:40], tiny_new_cells(40, seed=1)], merge="same")
    cells.write_h5ad(tmp_path / "query.h5ad")
    cells[:, ::2].copy().write_h5ad(tmp_path / "fewer_genes.h5ad")
    _write_clustered(cells, tmp_path / "clustered.h5ad")
    cases = list(_cases(extended_atlas_path, tmp_path))
    assert any("delta" in case["columns"].get("cellport_label", ()) for case in cases)
    (tmp_path / "converted.json").write_text(json.dumps(cases))
    compute_again(tmp_path, "same_converted")


def _cases(path: Path, folder: Path) -> Iterator[dict[str, Any]]:
    atlas = load_atlas(path)
    write_parts(atlas, folder / path.stem)
    several = atlas.manifest.head.kind == "sigmoids"
    asked: list[tuple[str, dict[str, Any]]] = [("query.h5ad", {}), ("fewer_genes.h5ad", {})]
    asked += [("clustered.h5ad", {"groups": groups}) for groups in CLUSTERED]
    asked += [
        ("query.h5ad", {"rescale_genes": True}),
        ("query.h5ad", {"probabilities": True}),
        ("query.h5ad", {"cell_ontology": True}),
    ]
    asked += [("clustered.h5ad", {"several_labels": True, "groups": "auto"})] if several else []
    for file, options in asked:
        case = {
            "atlas": path.stem,
            "file": file,
            "options": {
                "severalLabels": options.get("several_labels", False),
                "probabilities": options.get("probabilities", False),
                "cellOntology": options.get("cell_ontology", False),
                "groups": options.get("groups"),
                "rescaleGenes": options.get("rescale_genes", False),
            },
            "error": None,
            "columns": {},
            "matrices": {},
            "notes": [],
        }
        try:
            stream = atlas.stream(folder / file, **options)
        except InputError as error:
            yield {**case, "error": str(error).replace(f"{folder}/", "")}
            continue
        blocks = list(stream.blocks)
        columns = {}
        for column in stream.schema.columns:
            values = np.concatenate([block.obs[column.name] for block in blocks])
            if column.kind == "category":
                values = np.array([*column.categories, ""], object)[values]
            columns[column.name] = _nulled(values)
        yield {
            **case,
            "columns": columns,
            "matrices": {
                key: _nulled(np.concatenate([block.obsm[key] for block in blocks]).ravel())
                for key in stream.schema.obsm
            },
            "notes": [note.replace(f"{folder}/", "") for note in stream.facts.notes],
        }


def _write_clustered(cells: anndata.AnnData, path: Path) -> None:
    """Mixtures of cells, some of them empty, with clusters in columns of every kind."""
    rng = np.random.default_rng(0)
    n = 700
    counts = cells.X.toarray()
    mixed = counts[rng.integers(0, len(counts), n)] + counts[rng.integers(0, len(counts), n)]
    mixed = rng.binomial(mixed.astype(np.int64), rng.random((n, 1)))
    mixed[rng.integers(0, n, 5)] = 0
    words = np.array(["b", "nan", "", "a;c", "10"])[rng.integers(0, 5, n)]
    numbers = rng.integers(0, 9, n).astype(np.float64)
    numbers[::7] = np.nan
    obs = pd.DataFrame(
        {
            "words": words,
            "leiden": pd.Categorical(np.where(words == "b", None, words)),
            "numbers": numbers,
            "whole": rng.integers(0, 12, n),
            "flags": rng.random(n) < 0.5,
            "nothing": np.full(n, np.nan),
            "each": [f"cell {i}" for i in range(n)],
        },
        index=[f"cell{i}" for i in range(n)],
    )
    sparse = sp.csr_matrix(mixed.astype(np.float32))
    anndata.AnnData(sparse, obs=obs, var=cells.var).write_h5ad(path)


def _nulled(values: Any) -> list[Any]:
    return [None if value != value else value for value in values.tolist()]
