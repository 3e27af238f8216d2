"""The page ranks atlases as Python does, by the same cells, and maps with the chosen one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pytest
import scipy.io
import scipy.sparse as sp
from parts import write_parts
from visits import served, visit

import cellport
from cellport.demo import write_sample
from cellport.runtime.errors import CellportError
from cellport.runtime.mapping.atlas import Atlas, load_atlas
from cellport.web.server.publish import publish

PRETRAINED = Path(__file__).resolve().parents[3] / "models" / "pretrained"
DEMOS = ("lung", "blood")
CONVERTED = ("celltypist_no_mean", "scanvi_ln", "scpoli_default")
# as the page calls them
OPTIONS = {"minimum_genes": "minimumGenes", "layer": "layer", "allow_fractional": "allowFractional"}


def test_ranks_are_alike(
    lung: tuple[Atlas, Path],
    converted: Callable[[str], Path],
    compute_again: Callable[..., None],
    tmp_path: Path,
) -> None:
    atlases = [PRETRAINED / f"{name}.cellport" for name in DEMOS]
    trained = shutil.copy(lung[0].file.path, tmp_path / "trained.cellport")
    atlases += [trained, *map(converted, CONVERTED)]
    for path in atlases:
        write_parts(load_atlas(path), tmp_path / path.stem)
    write_queries(anndata.read_h5ad(lung[1]), tmp_path)
    cases = [
        case(atlases, tmp_path, "lung.h5ad"),
        case(atlases, tmp_path, "lung.h5ad", minimum_genes=0.9),
        case(atlases, tmp_path, "many.h5ad"),
        case(atlases, tmp_path, "dense.h5ad"),
        case(atlases, tmp_path, "by_gene.h5ad"),
        case(atlases, tmp_path, "empty.h5ad"),
        case(atlases, tmp_path, "mouse.h5ad"),
        case(atlases, tmp_path, "raw.h5ad"),
        case(atlases, tmp_path, "fractions.h5ad"),
        case(atlases, tmp_path, "fractions.h5ad", allow_fractional=True),
        case(atlases, tmp_path, "text/matrix.mtx", "text/features.tsv", "text/barcodes.tsv"),
    ]
    assert sum(one["error"] is not None for one in cases) == 1
    assert all(fit["score"] for fit in cases[0]["fits"] if fit["atlas"] in DEMOS)
    (tmp_path / "ranks.json").write_text(json.dumps(cases))
    compute_again(tmp_path, "same_ranks")


def write_queries(cells: anndata.AnnData, folder: Path) -> None:
    """Real cells in several layouts; more of them than are looked at, in a sorted file."""
    cells.X = sp.csr_matrix(cells.X)
    cells.obs = cells.obs[[]]
    cells.write_h5ad(folder / "lung.h5ad")
    order = np.sort(np.random.default_rng(0).integers(0, cells.n_obs, 2500))
    many = anndata.AnnData(cells.X[order], var=cells.var)
    many.write_h5ad(folder / "many.h5ad", compression="gzip")
    dense = many.copy()
    dense.X = many.X.toarray()
    dense.write_h5ad(folder / "dense.h5ad")
    by_gene = many.copy()
    by_gene.X = sp.csc_matrix(many.X)
    by_gene.write_h5ad(folder / "by_gene.h5ad")
    empty = cells.copy()
    empty.X = sp.csr_matrix(cells.X.multiply((np.arange(cells.n_obs) % 3 > 0)[:, None]))
    empty.write_h5ad(folder / "empty.h5ad")
    mouse = cells.copy()
    mouse.var_names = [name.capitalize() for name in cells.var_names]
    mouse.var = mouse.var[[]]
    mouse.write_h5ad(folder / "mouse.h5ad")
    raw = cells.copy()
    raw.raw = cells
    raw[:, : cells.n_vars // 2].write_h5ad(folder / "raw.h5ad")
    fractions = cells.copy()
    fractions.X.data = cells.X.data + np.random.default_rng(1).random(cells.X.nnz)
    fractions.write_h5ad(folder / "fractions.h5ad")
    (folder / "text").mkdir()
    scipy.io.mmwrite(folder / "text" / "matrix.mtx", sp.coo_matrix(many.X.T.astype(np.int64)))
    features = "".join(f"{name}\t{name}\tGene Expression\n" for name in many.var_names)
    (folder / "text" / "features.tsv").write_text(features)
    (folder / "text" / "barcodes.tsv").write_text("".join(f"{n}\n" for n in many.obs_names))


def case(atlases: list[Path], folder: Path, *files: str, **options: Any) -> dict[str, Any]:
    fits: list[dict[str, Any]] = []
    error = None
    query = folder / files[0]
    try:
        found = cellport.rank_atlases(
            query if len(files) == 1 else query.parent,
            atlases,
            cellport.MapOptions(threads=1, **options),
        )
        fits = [
            asdict(fit) | {"atlas": Path(fit.atlas).stem, "sentence": bare(fit.sentence, folder)}
            for fit in found
        ]
    except CellportError as refused:
        error = bare(str(refused), folder)
    for fit in fits:
        fit["refused"] = bare(fit["refused"], folder)
    named = {OPTIONS[name]: value for name, value in options.items()}
    names = [path.stem for path in atlases]
    return {"files": files, "options": named, "atlases": names, "error": error, "fits": fits}


def bare(text: str, folder: Path) -> str:
    """Name files as the page does, which knows no folder."""
    return text.replace(f"{folder}/text/", "").replace(f"{folder}/", "")


@pytest.fixture(scope="module")
def several(page_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("ranked")
    publish([PRETRAINED / f"{name}.cellport" for name in reversed(DEMOS)], folder / "site")
    with served(folder) as address:
        yield f"{address}/site/"


def test_the_atlas_that_fits_is_found_and_maps_offline(several: str, tmp_path: Path) -> None:
    """Nothing of an atlas is fetched before it is asked for; the best is here afterwards."""
    _, cells = write_sample(tmp_path)
    out = visit(
        several,
        tmp_path,
        ["hover", "#choice a >> nth=0"],
        ["axe", "first"],
        ["choose", [str(cells)]],
        ["text", ["offer", "#which"]],
        ["axe", "offer axe"],
        ["act", ["keyboard", "#rank"]],
        ["text", ["best", "#best"]],
        ["evaluate", ["rows", ROWS]],
        ["evaluate", ["focus", "document.activeElement.id"]],
        ["axe", "told"],
        ["shot", "ranked.png"],
        ["size", [390, 844]],
        ["shot", "ranked_narrow.png"],
        ["evaluate", ["wide", "document.documentElement.scrollWidth"]],
        ["axe", "narrow"],
        ["offline"],
        ["act", ["keyboard", ".fits .act button >> nth=0"]],
        ["mapped"],
        ["text", ["lead", "#intake .lead"]],
        ["evaluate", ["chosen", "new URLSearchParams(location.search).get('atlas')"]],
    )
    said = out["values"]
    found = cellport.rank_atlases(cells, [PRETRAINED / f"{name}.cellport" for name in DEMOS])
    titles = [fit.name for fit in found]
    assert said["best"] == f"Best: {titles[0]}. {found[0].sentence}"
    assert [row[0] for row in said["rows"]] == titles
    for row, fit in zip(said["rows"], found, strict=True):
        assert fit.right is not None
        assert fit.like is not None
        unlike = f"{1 - fit.like:.0%}"
        assert row[1:5] == [f"{fit.score:.2f}", f"{fit.right:.0%}", unlike, f"{fit.genes:.0%}"]
    sizes = sum((PRETRAINED / f"{name}.cellport").stat().st_size for name in DEMOS)
    assert f"{sizes / 1e6:.1f} MB at most" in said["offer"]
    assert said["focus"] == "best"
    assert said["wide"] <= 390
    assert said["chosen"] == "lung"
    assert "131 cells" in said["lead"]
    assert said["first"] == said["offer axe"] == said["told"] == said["narrow"] == []
    at = out["requests"].index("offline")
    assert all(address.startswith("blob:") for address in out["requests"][at + 1 :])


ROWS = """[...document.querySelectorAll(".fits tbody tr")].map((row) =>
  [...row.querySelectorAll("th, td.number, td[data-head=Organism]")].map((one) => one.innerText))"""


def test_ranking_is_stopped_and_files_go_to_the_atlas_that_is_pressed(
    several: str, tmp_path: Path
) -> None:
    _, cells = write_sample(tmp_path)
    (tmp_path / "damaged.h5ad").write_bytes(cells.read_bytes()[:5000])
    out = visit(
        several,
        tmp_path,
        ["hover", "#choice a >> nth=0"],
        ["choose", [str(tmp_path / "damaged.h5ad")]],
        ["click", "#rank"],
        ["refused", "said"],
        ["choose", [str(cells)]],
        ["evaluate", ["fetched", FETCHED]],
        ["click", "#rank"],
        ["click", "#which button >> text=Stop"],
        ["text", ["offered", "#rank"]],
        ["click", "#choice li a >> nth=1"],
        ["mapped"],
        ["text", ["title", "h1"]],
        ["evaluate", ["back", "history.back()"]],
        ["hover", "#choice a >> nth=0"],
    )
    said = out["values"]
    assert "damaged.h5ad is a damaged or truncated HDF5 file" in said["said"]
    assert said["offered"] == "Which atlas fits?"
    assert said["title"] == load_atlas(PRETRAINED / "lung.cellport").manifest.name


FETCHED = (
    "performance.getEntriesByType('resource').filter(({name}) => /npy|onnx/.test(name)).length"
)
