"""Why cells have their labels: what genes add, by every kind of network and of counts."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import cellport
from cellport.cli import main
from cellport.kernels.features import linear_features
from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.errors import InputError, OutputError
from cellport.runtime.explain import COLUMNS
from cellport.runtime.mapping.atlas import Atlas, load_atlas
from cellport.runtime.mapping.encode import query_basis
from cellport.runtime.mapping.explain.counted import CountedCells, count_cells
from cellport.runtime.mapping.explain.evidence import Explainer
from cellport.runtime.mapping.explain.genes import without_genes
from cellport.runtime.mapping.gather import LABEL_GENES, REPORT
from cellport.runtime.mapping.options import MapOptions

MODELS = (
    "celltypist_eight",
    "celltypist_no_mean",
    "scanvi_deep",
    "scanvi_linear",
    "scpoli_default",
)


@pytest.fixture(scope="session")
def query(tiny_cells: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("explained") / "query.h5ad"
    tiny_cells.adata().write_h5ad(path)
    return path


@pytest.fixture(scope="session")
def tiny(tiny_atlas: AtlasFile) -> Atlas:
    return Atlas(tiny_atlas)


def counted(atlas: Atlas, query: Any, rows: Any = slice(0, 20)) -> tuple[CountedCells, Any, Any]:
    """Some cells, with their blocks and genes."""
    stream = atlas.stream(query, keep_counts=True)
    block = next(iter(stream.blocks))
    chosen = np.arange(block.n_cells)[rows]
    return count_cells(block.counts, stream.genes, chosen), block, stream.genes


def test_probabilities_are_those_of_mapping(tiny: Atlas, query: Path) -> None:
    cells, block, _ = counted(tiny, query)
    label = block.obs["cellport_label"][:20]
    found = Explainer(tiny.file).evidence(cells, label)
    np.testing.assert_allclose(found.probability, block.obs["cellport_prob"][:20], atol=1e-5)
    assert (found.runner_up != label).all()
    again = Explainer(tiny.file).probability([cells], label)[0]
    np.testing.assert_allclose(again, found.probability, atol=1e-12)


def test_genes_that_were_not_measured_stand_where_mapping_has_them(
    tiny: Atlas, tiny_cells: Any
) -> None:
    some = tiny_cells.adata()[:, ::2].copy()
    cells, block, genes = counted(tiny, some)
    assert 0 < genes.measured.sum() < len(genes.measured)
    label = block.obs["cellport_label"][:20]
    found = Explainer(tiny.file).evidence(cells, label)
    np.testing.assert_allclose(found.probability, block.obs["cellport_prob"][:20], atol=1e-5)
    assert not found.for_label[:, ~genes.measured].any()


def test_features_are_those_of_the_kernel(tiny: Atlas, query: Path) -> None:
    cells, block, genes = counted(tiny, query)
    explainer = Explainer(tiny.file)
    basis = explainer._measured(genes.measured)
    found = explainer._values(cells, basis) @ basis.basis + basis.offset
    laid = query_basis(tiny.file, genes.panel_column, genes.measured, genes.is_gene)
    counts = block.counts
    expected, _ = linear_features(laid, counts.indptr, counts.indices, counts.data)
    np.testing.assert_allclose(found, expected[:20], rtol=1e-4, atol=1e-3)


def test_all_genes_add_up_to_the_way_from_the_average_cell(tiny: Atlas, query: Path) -> None:
    """Integrated gradients are complete; genes without a count make up what is missing."""
    cells, block, genes = counted(tiny, query)
    label = block.obs["cellport_label"][:20].astype(np.int64)
    explainer = Explainer(tiny.file)
    found = explainer.evidence(cells, label)
    basis = explainer._measured(genes.measured)
    values = explainer._values(cells, basis)
    features = values @ basis.basis + basis.offset

    def odds(at: Any) -> Any:
        prob = explainer._run(at).value[np.arange(20), label]
        return np.log(prob / (1 - prob))

    step = (np.arange(400) + 0.5) / 400
    slopes = np.zeros_like(features)
    for one in step:
        there = explainer._run(features * one)
        slopes += there.gradient(explainer._weights(there.value, label, found.runner_up)[0]) / 400
    every = (values - basis.mean) * (slopes @ basis.basis.T)
    expected = odds(features) - odds(np.zeros_like(features))
    np.testing.assert_allclose(every.sum(axis=1), expected, rtol=0.02, atol=0.02)
    named = np.where(values > 0, every, 0)
    scale = np.abs(named).max(axis=1, keepdims=True)
    np.testing.assert_allclose(found.for_label / scale, named / scale, atol=0.05)


@pytest.mark.parametrize("model", MODELS)
def test_converted_models(
    model: str, foreign_query: Path, converted: Callable[[str], Path], tmp_path: Path
) -> None:
    atlas = load_atlas(converted(model))
    cells, block, _ = counted(atlas, foreign_query, slice(3, 23))
    label = block.obs["cellport_label"][3:23].astype(np.int64)
    explainer = Explainer(atlas.file)
    found = explainer.evidence(cells, label)
    if atlas.manifest.gives_prob:
        expected = block.obs["cellport_prob"][3:23]
        np.testing.assert_allclose(found.probability, expected, atol=1e-4)
    else:
        assert np.isnan(found.probability).all()
    said = cellport.explain(atlas, foreign_query, genes=3)
    assert said.reasons
    said.write(tmp_path / "genes.tsv")
    table = pd.read_csv(tmp_path / "genes.tsv", sep="\t")
    assert (table["for_label"] > 0).all()
    assert table["probability_without"].isna().all() != atlas.manifest.gives_prob


def test_a_linear_model_is_told_exactly(
    foreign_query: Path, converted: Callable[[str], Path]
) -> None:
    """What a gene adds is its weight times its value beside that of the average cell."""
    atlas = load_atlas(converted("celltypist_eight"))
    cells, block, genes = counted(atlas, foreign_query, slice(3, 23))
    label = block.obs["cellport_label"][3:23].astype(np.int64)
    explainer = Explainer(atlas.file)
    found = explainer.evidence(cells, label)
    basis = explainer._measured(genes.measured)
    values = explainer._values(cells, basis)
    weight = atlas.file.array("basis").T[label]
    expected = np.where(values > 0, (values - basis.mean) * weight, 0)
    np.testing.assert_allclose(found.for_label, expected, rtol=1e-6, atol=1e-9)
    other = atlas.file.array("basis").T[found.runner_up]
    expected = np.where(values > 0, (values - basis.mean) * (weight - other), 0)
    np.testing.assert_allclose(found.against_runner_up, expected, rtol=1e-6, atol=1e-9)


def test_named_genes_carry_the_label(tiny: Atlas, query: Path) -> None:
    """Without them it is less likely, and by far more than without others."""
    said = cellport.explain(tiny, query, genes=5)
    lost, beside = [], []
    rng = np.random.default_rng(0)
    cells, block, _ = counted(tiny, query, slice(None))
    explainer, names = Explainer(tiny.file), tiny.panel.names.tolist()
    for one in said.reasons:
        code = tiny.manifest.labels.index(one.label)
        lost.append(one.probability - one.probability_without)
        rows = np.flatnonzero(block.obs["cellport_label"] == code)[:50]
        some = cells.take(rows)
        named = {names.index(gene.gene) for gene in one.genes}
        others = [gene for gene in range(len(names)) if gene not in named]
        draws = [without_genes(some, rng.choice(others, 5, replace=False)) for _ in range(10)]
        sure = explainer.probability([some, *draws], np.full(len(rows), code))
        beside.append((sure[0] - sure[1:]).mean())
    assert np.mean(lost) > 5 * max(float(np.mean(beside)), 0)
    assert all(loss > 0 for loss in lost)


def test_without_genes_there_is_no_count_of_them(tiny: Atlas, query: Path) -> None:
    cells, _, _ = counted(tiny, query)
    left = without_genes(cells, np.array([3, 7]))
    assert not left.counts[:, [3, 7]].sum()
    others = np.delete(np.arange(cells.counts.shape[1]), [3, 7])
    assert (left.counts[:, others] != cells.counts[:, others]).nnz == 0
    gone = np.asarray(cells.counts[:, [3, 7]].sum(axis=1)).ravel()
    np.testing.assert_allclose(cells.query_library - left.query_library, gone)


def test_cells_by_name_and_why_not_another(tiny: Atlas, query: Path) -> None:
    names = ["cell3", "cell200"]
    said = cellport.explain(tiny, query, cells=names, genes=4)
    assert [one.cell for one in said.reasons] == names
    mapped = tiny.map(query)
    own = mapped["cellport_label"][[3, 200]].tolist()
    assert [one.label for one in said.reasons] == own
    labels = tiny.manifest.labels[:2]
    asked = cellport.explain(tiny, query, cells=names, labels=labels)
    assert [(one.cell, one.label) for one in asked.reasons] == [
        (name, label) for name in names for label in labels
    ]
    counts = anndata.read_h5ad(query)
    for gene in said.reasons[0].genes:
        assert gene.expressed == counts[names[0], gene.gene].X.sum()
    assert tuple(said.to_dataframe().columns) == COLUMNS


def test_types_do_not_depend_on_blocks_and_can_be_chosen(tiny: Atlas, query: Path) -> None:
    whole = cellport.explain(tiny, query)
    assert cellport.explain(tiny, query, block_cells=7) == whole
    chosen = whole.reasons[1].label
    assert cellport.explain(tiny, query, labels=[chosen]).reasons == (whole.reasons[1],)


def test_an_empty_cell_has_no_reasons(tiny: Atlas, tiny_cells: Any) -> None:
    cells = tiny_cells.adata()[:30].copy()
    cells.X = cells.X.multiply(np.arange(30)[:, None] > 0).tocsr()
    said = cellport.explain(tiny, cells, cells=["cell0"])
    assert said.reasons[0].label == "unknown"
    assert said.reasons[0].genes == ()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"labels": ["no such"]}, "There is no label 'no such'"),
        ({"cells": ["cell1", "nobody"]}, r"has no cell 'nobody' \(1 of those named"),
        ({"rescale_genes": True}, "leave out --rescale-genes"),
    ],
)
def test_refusals(asked: dict[str, Any], message: str, tiny: Atlas, query: Path) -> None:
    with pytest.raises(InputError, match=message):
        cellport.explain(tiny, query, **asked)


def test_an_atlas_without_labels_is_refused(small_atlas: Any, forgery: Any, query: Path) -> None:
    head = replace(forgery.manifest().head, kind="none", set_prob=())
    answers = ("latent", "novelty_score", "umap")
    bare = small_atlas(labels=(), parents={}, head=head, answers=answers)
    with pytest.raises(InputError, match="'small' gave a label: it has none"):
        cellport.explain(Atlas(bare), query)


def test_the_command(tiny_atlas_path: Path, query: Path, tmp_path: Path) -> None:
    out = tmp_path / "genes.csv"
    asked = ["explain", str(tiny_atlas_path), str(query), "-n", "3", "-o", str(out)]
    shown = CliRunner().invoke(main, [*asked, "--json"])
    assert shown.exit_code == 0, shown.stderr
    said = json.loads(shown.stdout)
    table = pd.read_csv(out, keep_default_na=False)
    assert tuple(table.columns) == COLUMNS
    named = [gene["gene"] for one in said["reasons"] for gene in one["genes"]]
    assert table["gene"].tolist() == named
    assert table["rank"].max() == 3
    on_screen = CliRunner().invoke(main, asked)
    assert said["reasons"][0]["genes"][0]["gene"] in on_screen.stdout
    bad = CliRunner().invoke(main, [*asked[:-1], str(tmp_path / "genes.txt")])
    assert bad.exit_code == 2
    assert "must end in .csv or .tsv" in bad.stderr
    with pytest.raises(OutputError):
        cellport.explain(load_atlas(tiny_atlas_path), query).write(tmp_path / "no" / "x.csv")


def test_the_report_names_them(tiny: Atlas, query: Path, tmp_path: Path) -> None:
    mapped = tiny.map(query, gather=REPORT)
    cellport.write_report(tiny, mapped, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    best = cellport.explain(tiny, query).reasons[0]
    assert "Why these types" in page
    assert all(gene.gene in page for gene in best.genes)
    assert "not all genes of a type" in page
    scaled = tiny.map(query, gather=REPORT, options=MapOptions(rescale_genes=True))
    assert LABEL_GENES not in scaled.gathered
