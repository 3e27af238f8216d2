"""The page names the genes that spoke for labels as Python does, by the same numbers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
from parts import write_parts
from visits import visit

import cellport
from cellport.runtime.mapping.atlas import Atlas, load_atlas
from cellport.runtime.mapping.explain.genes import LabelReasons

PRETRAINED = Path(__file__).resolve().parents[3] / "models" / "pretrained"
MODELS = (
    "celltypist_duplicates",
    "celltypist_no_mean",
    "scanvi_deep",
    "scanvi_linear",
    "scanvi_ln",
    "scpoli_default",
)
# of the query, which are told one by one
CELLS = (0, 5, 17)


def test_reasons_are_alike(
    lung: tuple[Atlas, Path],
    converted: Callable[[str], Path],
    foreign_query: Path,
    compute_again: Callable[..., None],
    tmp_path: Path,
) -> None:
    shutil.copy(foreign_query, tmp_path / "foreign.h5ad")
    shutil.copy(lung[1], tmp_path / "lung.h5ad")
    anndata.read_h5ad(lung[1])[:, ::3].write_h5ad(tmp_path / "fewer_genes.h5ad")
    demo = load_atlas(shutil.copy(PRETRAINED / "lung.cellport", tmp_path / "shipped.cellport"))
    atlases = [(load_atlas(converted(name)), "foreign.h5ad") for name in MODELS]
    atlases += [(atlas, "fewer_genes.h5ad") for atlas in (lung[0], demo)]
    atlases += [(demo, "lung.h5ad")]
    cases = [case(atlas, tmp_path, file) for atlas, file in atlases]
    assert all(one["types"] for one in cases)
    (tmp_path / "reasons.json").write_text(json.dumps(cases))
    compute_again(tmp_path, "same_reasons", "network")


def case(atlas: Atlas, folder: Path, file: str) -> dict[str, Any]:
    name = atlas.file.path.stem
    if not (folder / name).is_dir():
        write_parts(atlas, folder / name)
    query = folder / file
    labels = atlas.manifest.labels
    return {
        "atlas": name,
        "file": file,
        "types": [told(one) for one in cellport.explain(atlas, query).reasons],
        "cells": list(single(atlas, query, (labels[0], labels[-1]))),
    }


def single(atlas: Atlas, query: Path, labels: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    names = anndata.read_h5ad(query).obs_names
    chosen = [names[cell] for cell in CELLS]
    for one in cellport.explain(atlas, query, cells=chosen, labels=labels).reasons:
        code = atlas.manifest.labels.index(one.label)
        yield {"cell": names.get_loc(one.cell), "label": code, "told": told(one)}


def told(one: LabelReasons) -> dict[str, Any]:
    """As the page has them."""
    return {
        "label": one.label,
        "runnerUp": one.runner_up,
        "cells": one.cells,
        "probability": known(one.probability),
        "genes": [
            {
                "gene": gene.gene,
                "forLabel": gene.for_label,
                "againstRunnerUp": gene.against_runner_up,
                "expressed": gene.expressed,
                "probabilityWithout": known(gene.probability_without),
            }
            for gene in one.genes
        ],
        "probabilityWithout": known(one.probability_without),
    }


def known(number: float) -> float | None:
    return None if number != number else number


def test_on_the_page(site: str, lung: tuple[Atlas, Path], tmp_path: Path) -> None:
    """Without the network: by type in the report's words, and by cell for any type."""
    out = visit(
        site,
        tmp_path,
        ["verified"],
        ["offline"],
        ["choose", [str(lung[1])]],
        ["mapped"],
        ["evaluate", ["all", ALL_TYPES]],
        ["save", ["types.csv", "#reasons .csv >> nth=0"]],
        ["click", "#reasons summary"],
        ["save", ["genes.csv", "#reasons .csv >> nth=1"]],
        ["axe", "types"],
        ["click", "#reasons .gene >> nth=0"],
        ["wait", 500],
        ["text", ["coloured", "#legend h3"]],
        ["click", "#types tbody button >> nth=0"],
        ["click", "#selection tbody button >> nth=0"],
        ["text", ["cell", "#selection h2"]],
        ["select", ["#why-label", "NK"]],
        ["click", "#selection .why button"],
        ["wait", 2000],
        ["evaluate", ["why", WHY]],
        ["axe", "cell axe"],
    )
    said = out["values"]
    atlas, query = lung
    reasons = cellport.explain(atlas, query).reasons
    types = pd.read_csv(tmp_path / "types.csv", index_col=0, keep_default_na=False)
    assert types.index.tolist() == [one.label for one in reasons]
    named = [", ".join(gene.gene for gene in one.genes) for one in reasons]
    assert types["Its cells were told by"].tolist() == named
    genes = pd.read_csv(tmp_path / "genes.csv")
    adds = [gene.for_label for one in reasons for gene in one.genes]
    np.testing.assert_allclose(genes["Adds to its log-odds"], adds, rtol=1e-4)
    assert said["coloured"].startswith(reasons[0].genes[0].gene)
    (one,) = cellport.explain(atlas, query, cells=[said["cell"]], labels=["NK"]).reasons
    assert said["why"] == [gene.gene for gene in one.genes]
    assert said["types"] == said["cell axe"] == []


ALL_TYPES = """new Promise((told) => {
  const looking = setInterval(() => {
    if (document.querySelector("#reasons > p[role=status]")) return;
    clearInterval(looking);
    told(true);
  }, 50);
})"""
WHY = "[...document.querySelectorAll('#selection .why tbody button')].map((one) => one.innerText)"
