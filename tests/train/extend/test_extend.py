"""A type added to a finished atlas: what is known afterwards, and what stays."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anndata
import numpy as np
import pytest
from scipy import sparse

import cellport
from cellport.runtime.atlas.file import npy_bytes, open_atlas_file
from cellport.runtime.errors import (
    AtlasError,
    InputError,
    MissingDependencyError,
    OutputError,
)
from cellport.runtime.mapping.atlas import Atlas, load_atlas
from cellport.runtime.mapping.verify import verify_atlas
from cellport.train.extend.api import _alike, extend
from cellport.train.extend.gate import MOST_MOVED

Draw = Callable[..., Any]


@pytest.fixture(scope="module")
def before(tiny_atlas_path: Path) -> Atlas:
    return load_atlas(tiny_atlas_path)


@pytest.fixture(scope="module")
def after(extended_atlas_path: Path) -> Atlas:
    return load_atlas(extended_atlas_path)


@pytest.fixture(scope="module")
def query(tiny_cells: Any, tiny_new_cells: Draw) -> Any:
    return anndata.concat([tiny_cells.adata()[:100], tiny_new_cells(60, seed=1)], merge="same")


def _prob(atlas: Atlas, cells: Any) -> np.ndarray:
    """Probability of every label, float64 [cells, labels]."""
    stream = atlas.stream(cells, probabilities=True)
    key = next(name for name in stream.schema.obsm if "prob" in name)
    found = np.concatenate([block.obsm[key] for block in stream.blocks])
    return found[:, : len(atlas.manifest.labels)].astype(np.float64)


def test_the_new_type_is_known_and_no_longer_novel(after: Atlas, before: Atlas, query: Any) -> None:
    is_new = query.obs["cell_type"].to_numpy() == "delta"
    mapped = after.map(query, neighbors=5)
    assert after.manifest.labels == ("alpha", "beta", "gamma", "delta")
    assert (mapped["cellport_label"][is_new] == "delta").mean() >= 0.95
    assert (mapped["cellport_label"][~is_new] == query.obs["cell_type"][~is_new]).mean() >= 0.95
    assert mapped["cellport_prob"][is_new].mean() > 0.8
    novel = before.map(query)["cellport_novel"]
    assert novel[is_new].mean() > 0.5
    assert mapped["cellport_novel"][is_new].mean() < 0.2
    assert not (mapped["cellport_novel"] & ~novel).any()
    nearest = np.array([text.split(";")[0] for text in mapped["cellport_neighbor_labels"][is_new]])
    assert (nearest == "delta").mean() > 0.7
    held = ["delta" in text.split(";") for text in mapped["cellport_label_set"][is_new]]
    assert np.mean(held) > 0.9


def test_old_labels_keep_their_shares_and_cells_their_places(
    after: Atlas, before: Atlas, query: Any
) -> None:
    old, new = _prob(before, query), _prob(after, query)
    left = 1 - new[:, 3:].sum(axis=1, keepdims=True)
    assert new[:, :3] == pytest.approx(old * left, abs=1e-5)
    one, other = before.map(query), after.map(query)
    for name in ("X_cellport", "X_cellport_umap"):
        assert one[name] == pytest.approx(other[name], abs=1e-4)
    assert (one["cellport_cluster"] == other["cellport_cluster"]).all()


def test_what_is_strange_stays_strange(after: Atlas, before: Atlas, tiny_cells: Any) -> None:
    rng = np.random.default_rng(3)
    cells = tiny_cells.adata()[:50].copy()
    cells.X = cells.X.tocsc()[:, rng.permutation(cells.n_vars)].tocsr()
    novel = [atlas.map(cells.copy())["cellport_novel"].mean() for atlas in (before, after)]
    assert novel[0] > 0.5
    assert novel[1] > novel[0] - 0.1


def test_verify_and_card_and_manifest(after: Atlas, before: Atlas) -> None:
    checks = verify_atlas(after.file)
    assert all(check.passed for check in checks)
    assert {"encoder.onnx, label_prob"} <= {check.name for check in checks}
    told = after.manifest.provenance.training["extended"]
    assert told[0]["sha256"] == before.file.sha256
    assert told[0]["types"][0]["label"] == "delta"
    assert told[0]["types"][0]["cells"] == 40
    assert after.manifest.provenance.cells == before.manifest.provenance.cells + 40
    assert after.manifest.held_out is not None
    assert after.manifest.held_out.by_label["delta"].cells == 40
    assert after.manifest.batches == ("north", "south", "west")
    card = bytes(after.file.read("README.md")).decode()
    assert "delta" in card
    assert before.file.sha256 in card


def test_a_new_batch_decodes_as_the_mean_of_the_old_ones(after: Atlas, before: Atlas) -> None:
    latent = before.file.array("reference_latent")[:5]
    assert after.decode(latent, "north") == pytest.approx(before.decode(latent, "north"), rel=1e-4)
    assert np.isfinite(after.decode(latent, "west")).all()


def test_the_order_of_the_cells_does_not_matter(
    tiny_atlas_path: Path, tiny_new_cells: Draw, extended_atlas_path: Path, tmp_path: Path
) -> None:
    cells = tiny_new_cells()
    shuffled = cells[np.random.default_rng(1).permutation(cells.n_obs)].copy()
    out = tmp_path / "more.cellport"
    extend(tiny_atlas_path, shuffled, out, labels="cell_type", batch="donor")
    one, other = open_atlas_file(out), open_atlas_file(extended_atlas_path)
    assert one.members == other.members
    for name in one.members:
        assert one.read(name) == other.read(name), name


def test_cells_of_old_types_move_them_within_a_bound(
    tiny_atlas_path: Path, before: Atlas, tiny_cells: Any, query: Any, tmp_path: Path
) -> None:
    cells = tiny_cells.adata()
    more = cells[cells.obs["cell_type"] == "beta"][:20].copy()
    # the names of labels agree but for letter case
    more.obs["cell_type"] = "Beta"
    made = extend(tiny_atlas_path, more, tmp_path / "same.cellport", labels="cell_type")
    assert made.updated == {"beta": 20}
    assert made.types == ()
    atlas = load_atlas(made.path)
    assert atlas.manifest.labels == before.manifest.labels
    assert all(check.passed for check in verify_atlas(atlas.file))
    old, new = _prob(before, query), _prob(atlas, query)
    n = int((before.file.array("reference_label") == 1).sum())
    odds = [np.log(np.clip(p[:, 1], 1e-4, 1 - 1e-4) / (1 - np.clip(p[:, 1], 1e-4, 1 - 1e-4)))
            for p in (old, new)]  # fmt: skip
    assert np.abs(odds[1] - odds[0]).max() <= MOST_MOVED * 20 / (n + 20) + 1e-3
    assert np.abs(odds[1] - odds[0]).max() > 0
    assert len(atlas.file.array("reference_label")) == len(cells) + 20


def test_an_extended_atlas_is_extended_again(
    extended_atlas_path: Path, after: Atlas, query: Any, tiny_new_cells: Draw, tmp_path: Path
) -> None:
    cells = tiny_new_cells(30, seed=4)
    order = np.random.default_rng(9).permutation(cells.n_vars)
    cells.X = cells.X.tocsc()[:, order].tocsr()
    cells.obs["cell_type"] = "epsilon"
    made = extend(extended_atlas_path, cells, tmp_path / "most.cellport", labels="cell_type")
    atlas = load_atlas(made.path)
    assert atlas.manifest.labels[3:] == ("delta", "epsilon")
    assert len(atlas.manifest.provenance.training["extended"]) == 2
    assert all(check.passed for check in verify_atlas(atlas.file))
    assert (atlas.map(cells)["cellport_label"] == "epsilon").mean() > 0.9
    old, new = _prob(after, query), _prob(atlas, query)
    assert new[:, :4] == pytest.approx(old * (1 - new[:, 4:]), abs=1e-5)


def test_why_a_new_label_was_given(after: Atlas, query: Any) -> None:
    found = cellport.explain(after, query, labels=["delta"])
    assert [one.label for one in found.reasons] == ["delta"]
    assert found.reasons[0].genes


def test_a_group_of_strange_cells_is_named(
    tiny_atlas_path: Path, query: Any, tmp_path: Path
) -> None:
    made = extend(tiny_atlas_path, query, tmp_path / "named.cellport", novel={1: "delta"})
    mapped = load_atlas(made.path).map(query)
    is_new = query.obs["cell_type"].to_numpy() == "delta"
    assert (mapped["cellport_label"][is_new] == "delta").mean() > 0.9
    with pytest.raises(InputError, match=r"no group 7 of cells unlike the atlas\. It has 1: "):
        extend(tiny_atlas_path, query, tmp_path / "x.cellport", novel={7: "delta"})


def test_torch_is_not_imported(tiny_atlas_path: Path, tiny_new_cells: Draw, tmp_path: Path) -> None:
    path = tmp_path / "new.h5ad"
    tiny_new_cells().write_h5ad(path)
    code = f"""
import sys, cellport
cellport.extend({str(tiny_atlas_path)!r}, {str(path)!r}, {str(tmp_path / "o.cellport")!r},
                labels="cell_type")
print(sorted({{"torch", "sklearn", "pandas", "anndata"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/")
    assert done.stdout == "[]\n", done.stderr


def test_a_type_that_the_encoder_cannot_tell_is_refused_with_numbers(
    tiny_atlas_path: Path, tiny_cells: Any, tmp_path: Path
) -> None:
    cells = tiny_cells.adata()
    twin = cells[cells.obs["cell_type"] == "alpha"][:40].copy()
    twin.obs["cell_type"] = "alpha too"
    with pytest.raises(
        InputError,
        match=r"cannot tell 'alpha too' from 'alpha': of 40 cells, .* \d+% were called .*curve "
        r"between both is 0\.\d{3} .*trained anew",
    ):
        extend(tiny_atlas_path, twin, tmp_path / "x.cellport", labels="cell_type")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("label", ["alpha", "beta", "gamma"])
def test_a_part_of_a_known_type_is_refused_where_the_rest_is_beside_it(
    tiny_atlas_path: Path, tiny_new_cells: Draw, tiny_cells: Any, tmp_path: Path, label: str
) -> None:
    # of a batch so far from the atlas's that no drawn cell is like it
    cells, far = tiny_cells.adata(), tiny_new_cells(1)
    rng = np.random.default_rng(2)
    counts = cells.X.toarray() * np.exp(rng.normal(0, 1, far.n_vars))
    cells.X = sparse.csr_matrix(rng.poisson(counts).astype(np.float32))
    is_part = (cells.obs["cell_type"] == label) & (np.arange(cells.n_obs) % 2 == 0)
    cells.obs["cell_type"] = np.where(is_part, "part", cells.obs["cell_type"])
    with pytest.raises(InputError, match=f"cannot tell 'part' from '{label}'"):
        extend(tiny_atlas_path, cells, tmp_path / "x.cellport", labels="cell_type")


@pytest.mark.parametrize(("one", "other"), [("alpha", "beta"), ("gamma", "alpha")])
def test_cells_of_known_labels_that_the_atlas_takes_for_others_are_said(
    tiny_atlas_path: Path, tiny_cells: Any, tmp_path: Path, one: str, other: str
) -> None:
    cells = tiny_cells.adata()
    right = extend(tiny_atlas_path, cells, tmp_path / "right.cellport", labels="cell_type")
    assert not any("that label" in note for note in right.notes)
    cells.obs["cell_type"] = cells.obs["cell_type"].replace({one: other, other: one})
    made = extend(tiny_atlas_path, cells, tmp_path / "x.cellport", labels="cell_type")
    said = [note for note in made.notes if "that label" in note]
    assert len(said) == 2
    for label, of in ((one, other), (other, one)):
        (note,) = [note for note in said if f"cells labelled '{label}'" in note]
        assert f"of them '{of}'. Look whether their labels are right" in note


@pytest.mark.parametrize("name", ["upper", "UPPER", " upper "])
def test_a_new_type_is_not_called_as_a_group(
    rewritten_atlas: Callable[..., Path], tiny_new_cells: Draw, tmp_path: Path, name: str
) -> None:
    path = rewritten_atlas(parents={"alpha": "upper", "beta": "upper"})
    cells = tiny_new_cells()
    cells.obs["cell_type"] = name
    with pytest.raises(InputError, match=r"calls a group of labels so \(alpha, beta\)"):
        extend(path, cells, tmp_path / "x.cellport", labels="cell_type")


@pytest.mark.parametrize("name", ["unknown", " Unassigned", "", "?"])
def test_a_group_of_strange_cells_gets_the_name_of_a_type(
    tiny_atlas_path: Path, query: Any, tmp_path: Path, name: str
) -> None:
    with pytest.raises(InputError, match="names no type"):
        extend(tiny_atlas_path, query, tmp_path / "x.cellport", novel={1: name})


def test_bad_cells_are_refused(tiny_atlas_path: Path, tiny_new_cells: Draw, tmp_path: Path) -> None:
    out = tmp_path / "x.cellport"

    def refused(cells: Any, match: str, **how: Any) -> None:
        with pytest.raises(InputError, match=match):
            extend(tiny_atlas_path, cells, out, **(how or {"labels": "cell_type"}))

    refused(tiny_new_cells(9), "9 cells of 'delta'; to learn a new type takes 10")
    refused(tiny_new_cells(), r"not said.*--labels.*--novel 1=NAME", seed=0)
    refused(tiny_new_cells(), "no obs column|no column|'nothing'", labels="nothing")
    unlabelled = tiny_new_cells()
    unlabelled.obs["cell_type"] = "unknown"
    refused(unlabelled, "no label at all|no cell has both")
    few = tiny_new_cells()
    refused(few[:, :30].copy(), "genes")
    mouse = tiny_new_cells()
    mouse.var_names = [f"ENSMUSG{at:011d}" for at in range(mouse.n_vars)]
    mouse.var = mouse.var[[]]
    refused(mouse, "mouse|organism|genes")
    with pytest.raises(OutputError):
        extend(tiny_atlas_path, tiny_new_cells(), tiny_atlas_path, labels="cell_type")
    assert not out.exists()


def test_atlases_without_what_it_takes_are_refused(
    converted: Callable[[str], Path],
    rewritten_atlas: Callable[..., Path],
    tiny_new_cells: Draw,
    tmp_path: Path,
) -> None:
    out = tmp_path / "x.cellport"
    with pytest.raises(InputError, match=r"cannot be extended: it was converted"):
        extend(converted("celltypist_two"), tiny_new_cells(), out, labels="cell_type")


def test_groups_and_atlases_that_have_nothing_to_extend(
    tiny_atlas_path: Path,
    tiny_cells: Any,
    tiny_new_cells: Draw,
    converted: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    out, new = tmp_path / "x.cellport", tiny_new_cells()
    with pytest.raises(InputError, match="are those of one file; give one"):
        extend(tiny_atlas_path, [new, new], out, novel={1: "delta"})
    known = tiny_cells.adata()[:30].copy()
    with pytest.raises(InputError, match="has no group of cells unlike the atlas, so there is no"):
        extend(tiny_atlas_path, known, out, novel={1: "delta"})
    new.X = new.X * 0
    with pytest.raises(InputError, match="all are zero"):
        extend(tiny_atlas_path, new, out, labels="cell_type")
    with pytest.raises(InputError, match="has no labels, so there are none to tell a new type"):
        extend(converted("scvi_default"), tiny_new_cells(), out, labels="cell_type")
    assert not out.exists()


def test_new_and_known_cells_of_known_batches_leave_nothing_to_note(
    tiny_atlas_path: Path, before: Atlas, query: Any, tmp_path: Path
) -> None:
    cells = query.copy()
    cells.obs["donor"] = np.where(np.arange(cells.n_obs) % 2, "north", "south")
    how = {"labels": "cell_type", "batch": "donor"}
    made = extend(tiny_atlas_path, cells, tmp_path / "more.cellport", **how)
    number = query.obs["cell_type"].value_counts()
    assert made.updated == {name: number[name] for name in ("alpha", "beta", "gamma")}
    assert [one.label for one in made.types] == ["delta"]
    assert made.manifest.batches == before.manifest.batches
    for words in ("of new types alone", "decoder knows no batch", "left out"):
        assert not any(words in note for note in made.notes)
    decoder = open_atlas_file(made.path).read("decoder.onnx")
    assert decoder == before.file.read("decoder.onnx")


@pytest.mark.parametrize(("others", "said"), [(0, "100%"), (1, "90%"), (2, "")])
def test_a_new_type_that_the_atlas_takes_for_an_old_one_is_said(others: int, said: str) -> None:
    best = np.array([0] * 5 + [1] * (10 - others) + [2] * others)
    given: Any = SimpleNamespace(
        new_labels=("delta",), cells=SimpleNamespace(code=np.array([0] * 5 + [3] * 10))
    )
    found: Any = SimpleNamespace(seen=SimpleNamespace(prob=np.eye(3)[best]))
    manifest: Any = SimpleNamespace(labels=("alpha", "beta", "gamma"))
    notes = list(_alike(manifest, given, found))
    assert len(notes) == bool(said)
    assert all(f"gives {said} of the 'delta' cells the label 'beta'" in note for note in notes)


def test_an_atlas_that_tells_nothing_of_held_out_cells_goes_on_to_tell_nothing(
    rewritten_atlas: Callable[..., Path], tiny_new_cells: Draw, tmp_path: Path
) -> None:
    path = rewritten_atlas(held_out=None)
    made = extend(path, tiny_new_cells(), tmp_path / "more.cellport", labels="cell_type")
    assert made.manifest.held_out is None


def test_an_encoder_of_another_basis_is_refused(
    rewritten_atlas: Callable[..., Path], tiny_atlas: Any, tiny_new_cells: Draw, tmp_path: Path
) -> None:
    path = rewritten_atlas({"arrays/basis.npy": npy_bytes(tiny_atlas.array("basis") * 1.01)})
    with pytest.raises(AtlasError, match=r"does not multiply values by the basis .*Train the at"):
        extend(path, tiny_new_cells(), tmp_path / "x.cellport", labels="cell_type")
    assert not (tmp_path / "x.cellport").exists()


def test_what_extending_needs_is_named(
    tiny_atlas_path: Path,
    tiny_new_cells: Draw,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingDependencyError, match="pip install onnx"):
        extend(tiny_atlas_path, tiny_new_cells(), tmp_path / "x.cellport", labels="cell_type")


@pytest.mark.parametrize(
    ("power", "worth"), [(2.0, r"hold \d+% of what tells its labels apart"), (0.0, r"are \d+%")]
)
def test_cells_with_too_few_telling_genes_are_refused(
    power: float,
    worth: str,
    rewritten_atlas: Callable[..., Path],
    before: Atlas,
    tiny_new_cells: Draw,
    tmp_path: Path,
) -> None:
    manifest = before.manifest
    calibration = replace(manifest.head.calibration, information_power=power)
    path = rewritten_atlas(
        head=replace(manifest.head, calibration=calibration),
        thresholds=replace(manifest.thresholds, low_gene_coverage=1.0),
    )
    few, out = tiny_new_cells()[:, ::3].copy(), tmp_path / "x.cellport"
    said = rf"has \d\d of the atlas's 100 genes, which {worth}; to learn a type takes 100%\."
    with pytest.raises(InputError, match=said):
        extend(path, few, out, labels="cell_type")
    assert not out.exists()


def test_cells_of_which_none_has_both_a_label_and_counts_are_refused(
    tiny_atlas_path: Path, tiny_new_cells: Draw, tmp_path: Path
) -> None:
    out, cells = tmp_path / "x.cellport", tiny_new_cells()
    half = cells.copy()
    half.X = half.X.multiply(np.arange(half.n_obs)[:, None] % 2).tocsr()
    half.obs["cell_type"] = np.where(np.arange(half.n_obs) % 2, "unknown", "delta")
    with pytest.raises(InputError, match="no cell has both a label and counts"):
        extend(tiny_atlas_path, half, out, labels="cell_type")
    assert not out.exists()
