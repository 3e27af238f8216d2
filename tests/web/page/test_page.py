"""The page: the numbers of the Python runtime, and a visit with a real browser."""

from __future__ import annotations

import datetime
import gzip
import html
import json
import os
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.io
import scipy.sparse as sp
from parts import write_parts
from visits import visit

from cellport.runtime.atlas.file import npy_bytes, write_atlas_file
from cellport.runtime.decisions import text
from cellport.runtime.errors import AtlasError, InputError
from cellport.runtime.mapping.atlas import Atlas, load_atlas
from cellport.runtime.mapping.gather.findings import Findings
from cellport.runtime.mapping.gather.novel_groups import NovelCells
from cellport.runtime.mapping.gather.paths import PathFindings
from cellport.runtime.mapping.options import GROUPS_COST
from cellport.runtime.report.background import read_background
from cellport.runtime.report.contents import ReportContents
from cellport.runtime.report.words import cautions, first_look, lead
from cellport.web.server.publish import publish

# of random drops, stops and downloads; CELLPORT_DRAWS plays more, of other seeds
ROUNDS = int(os.environ.get("CELLPORT_DRAWS", "12"))
SEED = random.randrange(2**31) if "CELLPORT_EXPLORE" in os.environ else 1
PLAIN = {
    "layer": None,
    "genome": None,
    "allowFractional": False,
    "anyOrganism": False,
    "rescaleGenes": False,
    "severalLabels": False,
    "probabilities": False,
    "cellOntology": False,
    "groups": None,
    "minimumGenes": 0.2,
}


def test_python_and_the_page_agree(
    folder: Path, lung: tuple[Atlas, Any], compute_again: Callable[..., None]
) -> None:
    atlas, query = lung
    write_parts(atlas, folder / "atlas")
    (folder / "mapped.json").write_text(json.dumps(list(mapped_cases(atlas, query, folder))))
    (folder / "forged.json").write_text(json.dumps(list(forged_cases(atlas, query, folder))))
    compute_again(folder, "same_numbers")
    atlas.map(folder / "empty_cells.h5ad").write(folder / "python.h5ad")
    assert_same_h5ad(folder / "page.h5ad", folder / "python.h5ad")


def assert_same_h5ad(page: Path, python: Path) -> None:
    """Both open without a word, and hold the same but for what names the machine."""
    found, expected = anndata.read_h5ad(page), anndata.read_h5ad(python)
    assert found.shape == expected.shape
    pd.testing.assert_frame_equal(found.obs, expected.obs, check_exact=False, rtol=1e-3, atol=1e-3)
    assert list(found.obsm) == list(expected.obsm)
    for name, values in expected.obsm.items():
        assert found.obsm[name].dtype == values.dtype
        np.testing.assert_allclose(found.obsm[name], values, rtol=1e-3, atol=1e-3)
    assert found.uns.keys() == expected.uns.keys()
    for name in expected.uns.keys() - {"cellport"}:
        assert found.uns[name].tolist() == expected.uns[name].tolist()
    said, wanted = found.uns["cellport"], expected.uns["cellport"]
    assert said.keys() == wanted.keys()
    assert said["device"] == "browser"
    machine = ("device", "onnxruntime_version", "seconds", "counts_from")
    for key in wanted.keys() - machine:
        np.testing.assert_equal(said[key], wanted[key], key)
    assert "trajectory" not in said or said["trajectory"]["roots"].tolist()


def test_a_visit_gives_what_map_gives(
    folder: Path, lung: tuple[Atlas, Any], site: str, tmp_path: Path
) -> None:
    atlas, query = lung
    gene = next(name for name in atlas.panel.symbols if name)
    out = visit(
        site,
        tmp_path,
        ["verified"],
        ["drop", [str(query)]],
        ["mapped"],
        ["download", ["page.csv", "Download results"]],
        ["download", ["page.h5ad", "Download for scanpy"]],
        ["text", ["types", "#types"]],
        ["select", ["#colour", "cell_type_coarse"]],
        ["wait", 500],
        ["text", ["own column", "#legend"]],
        ["focus", "#legend .entries button >> nth=0"],
        ["press", "Enter"],
        ["text", ["chosen by key", "#legend button:focus"]],
        ["type", ["#gene", gene.lower()]],
        ["wait", 500],
        ["text", ["gene", "#legend"]],
        ["count", ["courses", ".trajectory .course"]],
        ["evaluate", ["milestones", "document.querySelector('#overlay').textContent"]],
        ["click", "#lasso"],
        ["lasso"],
        ["text", ["selected", "#selection h2"]],
        ["focus", "#canvas"],
        ["press", "Escape"],
        ["count", ["after escape", "#selection:not([hidden])"]],
        ["click", "#types tbody button >> nth=0"],
        ["click", "#selection tbody button >> nth=0"],
        ["text", ["one cell", "#selection"]],
        ["text", ["about", "#about"]],
    )
    mapped = atlas.map(query)
    found = pd.read_csv(tmp_path / "page.csv", index_col=0)
    mapped.write(tmp_path / "map.csv")
    expected = pd.read_csv(tmp_path / "map.csv", index_col=0)
    pd.testing.assert_frame_equal(found, expected, check_exact=False, rtol=1e-3, atol=1e-3)
    mapped.write(tmp_path / "map.h5ad")
    assert_same_h5ad(tmp_path / "page.h5ad", tmp_path / "map.h5ad")
    for name in set(mapped["cellport_call"]):
        assert name in out["values"]["types"]
    assert "endothelial" in out["values"]["own column"]
    assert out["values"]["chosen by key"] in out["values"]["own column"]
    assert out["values"]["gene"].startswith(gene)
    assert out["values"]["selected"] == f"{len(found)} cells selected"
    assert out["values"]["after escape"] == 0
    assert "Possible types" in out["values"]["one cell"]
    trajectory = atlas.trajectory
    assert trajectory is not None
    assert out["values"]["courses"] == len(trajectory.edges)
    shown = out["values"]["milestones"]
    assert all(milestone in shown for milestone in trajectory.milestones)
    for said in (
        f"to {', '.join(trajectory.terminals)}",
        "Travaglini et al.",
        "as sampled by PopV",
        "healthy cells of adults alone",
    ):
        assert said in out["values"]["about"]


def test_nothing_is_asked_of_another_host_and_nothing_fails(
    site: str, lung: tuple[Atlas, Any], tmp_path: Path
) -> None:
    out = visit(
        site,
        tmp_path,
        ["verified"],
        ["choose", [str(lung[1])]],
        ["mapped"],
        ["download", ["page.h5ad", "Download for scanpy"]],
        webgl=True,
    )
    origin = site.split("/some/")[0]
    for address in out["requests"]:
        assert address.removeprefix("blob:").startswith(origin), address
    said = [line for line in out["said"] if "GPU stall" not in line]
    assert said == []


def test_nothing_is_fetched_once_the_page_is_open(
    site: str, lung: tuple[Atlas, Any], tmp_path: Path
) -> None:
    """The network is cut: cells unlike the atlas, a gene, a column, downloads, a new worker."""
    cells = anndata.read_h5ad(lung[1])
    strange = cells[:60].copy()
    strange.X = sp.csr_matrix(
        np.random.default_rng(0).poisson(1.0, strange.shape).astype(np.float32)
    )
    strange.obs_names = [f"strange {i}" for i in range(60)]
    anndata.concat([cells, strange], merge="same").write_h5ad(tmp_path / "novel.h5ad")
    (tmp_path / "words.h5ad").write_text("these are no cells")
    out = visit(
        site,
        tmp_path,
        ["verified"],
        ["offline"],
        ["choose", [str(tmp_path / "words.h5ad")]],
        ["wait", 500],
        ["refused", "words"],
        ["choose", [str(tmp_path / "novel.h5ad")]],
        ["mapped"],
        ["text", ["notes", "#notes"]],
        ["select", ["#colour", "cell_type_coarse"]],
        ["wait", 300],
        ["text", ["column", "#legend"]],
        ["download", ["page.csv", "Download results"]],
        ["download", ["page.h5ad", "Download for scanpy"]],
        ["choose", [str(lung[1])]],
        ["mapped"],
    )
    assert "is not an HDF5 file" in out["values"]["words"]
    assert "endothelial" in out["values"]["column"]
    table = pd.read_csv(tmp_path / "page.csv")
    assert len(table) == cells.n_obs + 60
    assert table["cellport_novel"].sum() >= 60
    assert "look like nothing in the atlas" in out["values"]["notes"]
    after = out["requests"][out["requests"].index("offline") + 1 :]
    assert all(address.startswith("blob:") for address in after), after
    before = [address for address in out["requests"] if address.startswith("http")]
    assert len(before) == len(set(before))


def test_what_is_shown_and_saved_is_of_one_finished_file(
    site: str, lung: tuple[Atlas, Any], tmp_path: Path
) -> None:
    cells = anndata.read_h5ad(lung[1])
    rng = np.random.default_rng(0)
    files = []
    for name, n in (("small", 200), ("large", 3000), ("logged", 300)):
        counts = sp.csr_matrix(cells.X)[rng.integers(0, cells.n_obs, n)].astype(np.float32)
        obs = pd.DataFrame(index=[f"{name}-{i}" for i in range(n)])
        some = anndata.AnnData(counts.log1p() if name == "logged" else counts, obs, cells.var)
        some.write_h5ad(tmp_path / f"{name}.h5ad", compression="gzip")
        files.append(str(tmp_path / f"{name}.h5ad"))
    how = {"files": files, "rounds": ROUNDS, "seed": SEED}
    out = visit(site, tmp_path, ["verified"], ["sequences", how], limit=60 + 20 * ROUNDS)
    found = out["values"]["sequences"]
    print(found["seen"])
    assert found["wrong"] == []
    assert [line for line in out["said"] if "GPU" not in line] == []
    assert found["seen"]["rounds"] == ROUNDS
    assert min(found["seen"][what] for what in ("shown", "saved", "stops")) > 0


def test_a_narrow_dark_screen_shows_everything(
    site: str, lung: tuple[Atlas, Any], tmp_path: Path
) -> None:
    out = visit(
        site,
        tmp_path,
        ["verified"],
        ["choose", [str(lung[1])]],
        ["mapped"],
        ["evaluate", ["width", "document.documentElement.scrollWidth"]],
        ["evaluate", ["theme", "document.documentElement.dataset.theme"]],
        width=390,
        height=844,
        dark=True,
    )
    assert out["values"] == {"width": 390, "theme": "dark"}


def test_faults_are_sentences_and_the_page_goes_on(
    folder: Path, site: str, lung: tuple[Atlas, Any], tmp_path: Path
) -> None:
    cells = anndata.read_h5ad(lung[1])
    cells.X = sp.csr_matrix(cells.X).astype(np.float32).log1p()
    cells.write_h5ad(tmp_path / "logged.h5ad")
    cells.write_h5ad(tmp_path / "packed.h5ad", compression="lzf")
    whole = lung[1].read_bytes()
    (tmp_path / "cut.h5ad").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "words.h5ad").write_text("these are no cells")
    out = visit(
        site,
        tmp_path,
        ["verified"],
        *(
            step
            for name in ("logged.h5ad", "packed.h5ad", "cut.h5ad", "words.h5ad")
            for step in (["choose", [str(tmp_path / name)]], ["wait", 1500], ["refused", name])
        ),
        ["choose", [str(lung[1])]],
        ["mapped"],
    )
    said = out["values"]
    assert "holds log-normalised values" in said["logged.h5ad"]
    assert (
        'lzf, which this page cannot undo. Write the file again with compression="gzip"'
        in (said["packed.h5ad"])
    )
    assert "damaged or truncated" in said["cut.h5ad"]
    assert "is not an HDF5 file" in said["words.h5ad"]


def test_a_visit_names_several_labels_and_groups(
    site: str,
    folder: Path,
    converted: Callable[[str], Path],
    foreign_query: Path,
    lung: tuple[Atlas, Any],
    tmp_path: Path,
) -> None:
    """Options are there where the atlas has ground for them, and give what Python gives."""
    path = converted("celltypist_eight")
    publish(path, folder / "server" / "several")
    address = f"{site.split('/some/')[0]}/several/"
    wanted = "document.querySelectorAll('#several').length"
    out = visit(
        address,
        tmp_path,
        ["verified"],
        ["click", "#options summary"],
        ["text", ["options", "#options"]],
        ["click", "#several"],
        ["click", "#probabilities"],
        ["type", ["#groups", "auto"]],
        ["choose", [str(foreign_query)]],
        ["mapped"],
        ["download", ["page.csv", "Download results"]],
        ["download", ["page.h5ad", "Download for scanpy"]],
    )
    assert GROUPS_COST in out["values"]["options"]
    mapped = load_atlas(path).map(
        foreign_query, several_labels=True, probabilities=True, groups="auto"
    )
    mapped.write(tmp_path / "map.csv")
    found, expected = (
        pd.read_csv(tmp_path / name, index_col=0) for name in ("page.csv", "map.csv")
    )
    assert sum(name.startswith("cellport_probability_") for name in found) == 8
    assert {"cellport_labels_above_half", "cellport_group", "cellport_group_label"} < {*found}
    pd.testing.assert_frame_equal(found, expected, check_exact=False, rtol=1e-3, atol=1e-3)
    mapped.write(tmp_path / "map.h5ad")
    assert_same_h5ad(tmp_path / "page.h5ad", tmp_path / "map.h5ad")
    out = visit(site, tmp_path, ["verified"], ["evaluate", ["several", wanted]])
    assert out["values"]["several"] == 0


def test_a_visit_numbers_groups_unlike_the_atlas(
    site: str, lung: tuple[Atlas, Any], tmp_path: Path
) -> None:
    """In the table as in the command line's, of one file and not of several."""
    atlas, query = lung[0], anndata.read_h5ad(lung[1])
    rng = np.random.default_rng(0)
    strange = np.vstack([rng.poisson(share, (1500, query.n_vars)) for share in (1, 3)])
    both = sp.csr_matrix(np.vstack([strange, query.X.toarray()]).astype(np.float32))
    path = tmp_path / "strange.h5ad"
    anndata.AnnData(both, var=query.var).write_h5ad(path)
    (tmp_path / "again.h5ad").write_bytes(path.read_bytes())
    out = visit(
        site,
        tmp_path,
        ["verified"],
        ["click", "#options summary"],
        ["click", "#novel-groups"],
        ["choose", [str(path), str(tmp_path / "again.h5ad")]],
        ["refused", "refused"],
        ["choose", [str(path)]],
        ["mapped"],
        ["download", ["page.csv", "Download results"]],
        ["download", ["page.h5ad", "Download for scanpy"]],
    )
    assert out["values"]["refused"] == text("novel_groups.several")
    mapped = atlas.map(path, novel_groups=True)
    found = pd.read_csv(tmp_path / "page.csv", index_col=0, keep_default_na=False, dtype=str)
    expected = np.asarray(mapped["cellport_novel_group"])
    assert len(set(expected) - {""}) > 1
    np.testing.assert_array_equal(found["cellport_novel_group"], expected)
    mapped.write(tmp_path / "map.h5ad")
    page, python = (anndata.read_h5ad(tmp_path / name) for name in ("page.h5ad", "map.h5ad"))
    column = "cellport_novel_group"
    assert page.obs[column].dtype == python.obs[column].dtype
    np.testing.assert_array_equal(page.obs[column].astype(str), python.obs[column].astype(str))


def forged_cases(atlas: Atlas, query: Path, folder: Path) -> Iterator[dict[str, Any]]:
    """The atlas with one array that is not right, and what Python says to it."""
    read = atlas.file.array
    forged: list[tuple[str, Any]] = [
        ("basis", None),
        ("canary_umap", None),
        ("basis", read("basis").astype(np.float64)),
        ("gene_mean", read("gene_mean")[:-1]),
        ("gene_cap", read("gene_cap").reshape(-1, 2)),
        ("gene_loading", read("gene_loading")[1:]),
        ("gene_noise", read("gene_noise") * 0),
        ("novelty_p", read("novelty_p")[::-1]),
        ("novelty_depth", read("novelty_depth") * np.nan),
        ("novelty_score", read("novelty_score")[:, :, 1:]),
        ("trajectory_path", read("trajectory_path") * np.inf),
        ("trajectory_path", read("trajectory_path")[:, :, :1]),
    ]
    members = {name: bytes(atlas.file.read(name)) for name in atlas.file.members}
    for at, (array, values) in enumerate(forged):
        whole = {**members, f"arrays/{array}.npy": b"" if values is None else npy_bytes(values)}
        path = folder / f"forged_{at}" / "The atlas"
        path.parent.mkdir()
        kept = {name: data for name, data in whole.items() if data}
        write_atlas_file(path, atlas.manifest, kept)
        with pytest.raises(AtlasError) as refused:
            load_atlas(path).map(query)
        file = f"forged_{at}/{array}.npy"
        (folder / file).write_bytes(whole[f"arrays/{array}.npy"])
        error = str(refused.value)
        yield {"array": array, "file": file if values is not None else None, "error": error}


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
    yield "probabilities", cells, {**PLAIN, "probabilities": True, "cellOntology": True}
    yield "int64", changed(cells.X.astype(np.int64)), PLAIN
    yield "csc", changed(sp.csc_matrix(cells.X)), PLAIN
    yield "dense", changed(cells.X.toarray()), PLAIN
    yield "layer", changed(logged, layers={"counts": cells.X.copy()}), PLAIN
    raw = changed()
    raw.raw = raw.copy()
    raw.X = logged
    yield "raw", raw, PLAIN
    some = changed()[:, ::2].copy()
    some.raw = changed()
    yield "raw_of_more_genes", some, PLAIN
    some = changed()[:, ::2].copy()
    some.raw = changed(logged)
    yield "raw_of_logarithms_of_more_genes", some, PLAIN
    few = changed()[:, : cells.n_vars // 20].copy()
    few.raw = changed(logged)
    yield "hardly_a_gene_beside_logarithms", few, PLAIN
    whole = cells.X.toarray().astype(int)
    for beside, values in (("thinned", rng.binomial(whole, 0.5)), ("pooled", whole + whole[::-1])):
        made = changed(sp.csr_matrix(values).astype(np.float32))
        made.raw = changed()
        yield f"{beside}_beside_raw", made, PLAIN
    ones = sp.csr_matrix(cells.X > 0).astype(np.float32)
    yield "ones", changed(ones, layers={"counts": cells.X.copy()}), PLAIN
    yield "ones_alone", changed(ones), PLAIN
    small = np.minimum(cells.X.toarray() * 100, 255).astype(np.uint8).view(np.int8)
    yield "overflowed", changed(small), PLAIN
    yield "no_signs", changed((cells.X.toarray() - 1).astype(np.uint32)), PLAIN
    yield "only_zeros", changed(cells.X * 0), PLAIN
    yield "nearly", changed(cells.X * np.float32(1 + 1e-6)), PLAIN
    yield "logged", changed(logged), PLAIN
    yield "named_layer", changed(layers={"other": logged}), {**PLAIN, "layer": "other"}
    fractional = cells.X.astype(np.float32)
    fractional.data[::9] += 0.25
    yield "fractional_refused", changed(fractional), PLAIN
    yield "fractional", changed(fractional), {**PLAIN, "allowFractional": True}
    strange = cells.X.toarray()
    strange[:40] = strange[:40, rng.permutation(cells.n_vars)]
    yield "strange_cells", changed(sp.csr_matrix(strange)), PLAIN
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
    yield "mouse", mouse, PLAIN
    yield "any_organism", mouse, {**PLAIN, "anyOrganism": True}
    unnamed = changed()
    ids = [f"ENSGALG{i:011d}" for i in range(cells.n_vars)]
    names = zip(cells.var_names, ids, rng.random(cells.n_vars) < 0.3, strict=True)
    unnamed.var_names = [number if lacks else name for name, number, lacks in names]
    yield "genes_without_symbols_of_chicken", unnamed, PLAIN
    yield "chicken_all_the_same", unnamed, {**PLAIN, "anyOrganism": True}
    tenth = cells[:, : cells.n_vars // 8].copy()
    yield "a_tenth_of_the_genes", tenth, {**PLAIN, "minimumGenes": 0.05}
    yield "a_tenth_of_the_genes_rescaled", tenth, {**PLAIN, "rescaleGenes": True}
    yield "all_genes_rescaled", cells, {**PLAIN, "rescaleGenes": True}
    lacking = cells[:, np.sort(rng.choice(cells.n_vars, cells.n_vars // 3, replace=False))]
    many = sp.csr_matrix(rng.poisson(np.tile(lacking.X.toarray(), (5, 1))).astype(np.float32))
    many = anndata.AnnData(many, var=lacking.var)
    yield "windows_of_many_cells_rescaled", many, {**PLAIN, "rescaleGenes": True}
    yield "a_few_genes_rescaled", cells[:, :30].copy(), {**PLAIN, "rescaleGenes": True}
    yield "a_tenth_of_the_genes_and_more_wanted", tenth, {**PLAIN, "minimumGenes": 0.29}
    huge = changed(sp.csr_matrix(cells.X).astype(np.float64))
    huge.X.data[len(huge.X.data) // 3] = 1e30
    yield "a_count_of_1e30", huge, PLAIN
    strange = np.vstack([rng.poisson(share, (1500, cells.n_vars)) for share in (1, 3)])
    strange = sp.csr_matrix(np.vstack([strange, cells.X.toarray()]).astype(np.float32))
    yield "thousands_of_novel_cells", anndata.AnnData(strange, var=cells.var), PLAIN
    yield "transposed", cells.T.copy(), PLAIN
    numbered = cells.T.copy()
    numbered.obs["gene_name"] = numbered.obs_names
    numbered.obs_names = [f"row{i}" for i in range(numbered.n_obs)]
    yield "transposed_names_in_a_column", numbered, PLAIN
    listed = cells.X.toarray()
    listed[:, rng.random(cells.n_vars) < 0.3] = 0
    yield "listed_alone", changed(sp.csr_matrix(listed)), PLAIN
    yield "listed_csc", changed(sp.csc_matrix(listed)), PLAIN
    droplets = rng.poisson(3 * listed.sum(axis=0) / listed.sum(), (700, cells.n_vars))
    mixed = sp.csr_matrix(np.vstack([droplets, listed]).astype(np.float32))
    yield "listed_droplets", anndata.AnnData(mixed, var=cells.var), PLAIN
    joined = cells.X.toarray().astype(np.float32)
    joined[7:, 100:300] = np.nan
    yield "outer_join", changed(joined), PLAIN


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
            rescale_genes=options["rescaleGenes"],
            minimum_genes=options["minimumGenes"],
            probabilities=options["probabilities"],
            cell_ontology=options["cellOntology"],
            keep_counts=True,
        )
        blocks = list(stream.blocks)
    except InputError as error:
        return {**case, "error": str(error).replace(where, "")}
    novel, findings = NovelCells(atlas.file), Findings(stream.schema)
    for block in blocks:
        novel.add(block, stream.genes)
        findings.add(block)
    report = ReportContents(
        manifest=atlas.manifest,
        background=read_background(atlas.file),
        findings=findings,
        paths=PathFindings(stream.schema, ()),
        facts={
            "genes": stream.facts.genes,
            "counts_from": [stream.facts.counts_from.replace(where, "")],
            "notes": [],
        },
        out=None,
        made=datetime.date(2026, 1, 1),
    )
    fit = [plain(said) for said in first_look(report) if text("report.fit") in said]
    columns = {}
    for column in stream.schema.columns:
        values = np.concatenate([block.obs[column.name] for block in blocks])
        if column.kind == "category":
            values = np.array([*column.categories, ""], object)[values]
        columns[column.name] = [None if value != value else value for value in values.tolist()]
    return {
        **case,
        "cells": [cell for block in blocks for cell in block.cell_names],
        "columns": columns,
        "matrices": {
            key: nulled(np.concatenate([block.obsm[key] for block in blocks]))
            for key in stream.schema.obsm
        },
        "notes": [note.replace(where, "") for note in stream.facts.notes],
        "novel": [group.sentence for group in novel.groups()],
        "lead": plain(lead(report)),
        "cautions": [
            (one.kind, plain(one.title), plain(one.text), one.serious) for one in cautions(report)
        ],
        "fit": fit[0].removeprefix(text("report.fit") + " ") if fit else None,
    }


def plain(markup: str) -> str:
    return html.unescape(re.sub("<.*?>", "", markup))


def nulled(values: Any) -> list[float | None]:
    return [None if value != value else value for value in values.ravel().tolist()]


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
