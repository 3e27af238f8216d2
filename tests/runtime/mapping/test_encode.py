from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellport.runtime.atlas.file import AtlasFile, npy_bytes, open_atlas_file
from cellport.runtime.atlas.session import open_session
from cellport.runtime.errors import AtlasError
from cellport.runtime.mapping.encode import (
    EncodedCells,
    check_answers,
    encode_block,
    query_basis,
    run_graph,
)
from cellport.runtime.sources.block import CountBlock

TOLERANCE = 1e-4
PANEL = 100


@pytest.fixture(scope="module")
def tail(tiny_atlas: AtlasFile) -> Any:
    return open_session(tiny_atlas.read("encoder_tail.onnx"), "encoder_tail.onnx", "cpu")


@pytest.fixture(scope="module")
def bare(tiny_atlas_path: Path, tiny_atlas: AtlasFile) -> Any:
    """encoder.onnx in onnxruntime as anybody would run it, with no cellport code."""
    return onnxruntime.InferenceSession(bytes(tiny_atlas.read("encoder.onnx")))


def _block(
    counts: np.ndarray, shuffle: np.random.Generator | None = None, start: int = 0
) -> CountBlock:
    """Lay dense counts out as CSR, the entries of a cell in any order."""
    indptr, indices, data = [0], [], []
    for row in counts:
        found = np.flatnonzero(row)
        if shuffle is not None:
            shuffle.shuffle(found)
        indices.extend(found)
        data.extend(row[found])
        indptr.append(len(indices))
    return CountBlock(
        start,
        np.array(indptr, np.int64),
        np.array(indices, np.int32),
        np.array(data, np.float32),
    )


def _dense(query: np.ndarray, panel_column: np.ndarray) -> np.ndarray:
    """Counts of the panel genes, NaN for those no query gene feeds."""
    dense = np.full((len(query), PANEL), np.nan, np.float32)
    for gene in np.unique(panel_column[panel_column >= 0]):
        dense[:, gene] = query[:, panel_column == gene].sum(1)
    return dense


def _encode(
    atlas: AtlasFile, tail: Any, block: CountBlock, panel_column: np.ndarray
) -> EncodedCells:
    measured = np.isin(np.arange(PANEL), panel_column)
    first = query_basis(atlas, panel_column.astype(np.int32), measured)
    return encode_block(block, first, tail, threads=1, pool=None)


def _assert_equal_answers(found: EncodedCells, bare: Any, dense: np.ndarray) -> None:
    names = [output.name for output in bare.get_outputs()]
    expected = dict(zip(names, bare.run(None, {"counts": dense}), strict=True))
    assert found.answers.keys() == expected.keys()
    assert list(expected) == ["latent", "novelty_score", "umap", "label_prob", "cluster_prob"]
    for name, answer in expected.items():
        assert np.isfinite(answer).all()
        np.testing.assert_allclose(found.answers[name], answer, rtol=TOLERANCE, atol=TOLERANCE)


@given(
    seed=st.integers(0, 2**32 - 1),
    cells=st.integers(0, 6),
    missing=st.floats(0, 1),
    duplicated=st.integers(0, 30),
    others=st.integers(0, 50),
    depth=st.sampled_from([0.02, 1.0, 50.0, 20_000.0]),
    density=st.floats(0, 1),
)
@settings(max_examples=120, deadline=None)
def test_fused_path_is_encoder_onnx(
    tiny_atlas: AtlasFile,
    tail: Any,
    bare: Any,
    seed: int,
    cells: int,
    missing: float,
    duplicated: int,
    others: int,
    depth: float,
    density: float,
) -> None:
    """Genes in any order, some missing, some twice, some not of the panel; empty cells too."""
    rng = np.random.default_rng(seed)
    present = np.flatnonzero(rng.random(PANEL) >= missing)
    again = rng.choice(present, duplicated) if len(present) else present
    panel_column = rng.permutation(np.concatenate([present, again, np.full(others, -1)]))
    query = rng.poisson(depth, (cells, len(panel_column))).astype(np.float32)
    query *= rng.random(query.shape) < density
    found = _encode(tiny_atlas, tail, _block(query, rng), panel_column)
    dense = _dense(query, panel_column)
    _assert_equal_answers(found, bare, dense)
    of_panel = query[:, panel_column >= 0]
    np.testing.assert_array_equal(found.library, of_panel.sum(1))
    np.testing.assert_array_equal(found.empty, ~(of_panel > 0).any(axis=1))


def test_reference_cells_with_all_genes(
    tiny_cells: Any, tiny_atlas: AtlasFile, tail: Any, bare: Any
) -> None:
    position = {symbol: i for i, symbol in enumerate(tiny_atlas.manifest.panel.symbols)}
    panel_column = np.array([position.get(symbol, -1) for symbol in tiny_cells.symbols])
    query = tiny_cells.counts.toarray()
    found = _encode(tiny_atlas, tail, _block(query), panel_column)
    _assert_equal_answers(found, bare, _dense(query, panel_column))
    names = np.asarray(tiny_atlas.manifest.labels, object)
    assert (names[found.answers["label_prob"].argmax(1)] == tiny_cells.label).mean() > 0.9
    stored = tiny_atlas.array("reference_latent")
    np.testing.assert_allclose(found.answers["latent"], stored, atol=TOLERANCE)


def test_answers_do_not_depend_on_blocks_or_threads(tiny_atlas: AtlasFile, tail: Any) -> None:
    rng = np.random.default_rng(0)
    query = rng.poisson(1.0, (301, PANEL)).astype(np.float32)
    everything = np.arange(PANEL, dtype=np.int32)
    first = query_basis(tiny_atlas, everything, np.ones(PANEL, bool))
    whole = encode_block(_block(query), first, tail, threads=1, pool=None)
    for size in (1, 7, 64, 301):
        with ThreadPoolExecutor(2) as pool:
            parts = [
                encode_block(_block(query[at : at + size]), first, tail, threads=2, pool=pool)
                for at in range(0, len(query), size)
            ]
        for name, answer in whole.answers.items():
            joined = np.concatenate([part.answers[name] for part in parts])
            np.testing.assert_array_equal(joined, answer)


def test_no_cells(tiny_atlas: AtlasFile, tail: Any) -> None:
    found = _encode(tiny_atlas, tail, _block(np.empty((0, PANEL))), np.arange(PANEL))
    assert found.answers["latent"].shape == (0, 8)
    assert found.answers["label_prob"].shape == (0, 3)
    assert len(found.library) == 0


@pytest.mark.parametrize("noise", [0.0, -1.0, np.nan])
def test_a_factor_model_without_noise_never_reaches_the_kernel(
    tiny_atlas: AtlasFile, rewritten_atlas: Callable[..., Path], noise: float
) -> None:
    left = tiny_atlas.array("gene_noise").copy()
    left[7] = noise
    path = rewritten_atlas({"arrays/gene_noise.npy": npy_bytes(left)})
    everything = np.arange(PANEL, dtype=np.int32)
    with pytest.raises(AtlasError, match=r"gene_noise\.npy .* else than numbers above 0;"):
        query_basis(open_atlas_file(path), everything, np.ones(PANEL, bool))


ANSWERS = {"latent": (4, 2), "novelty_score": (4,), "umap": (4, 2), "label_prob": (4, 2)}


@pytest.mark.parametrize(
    ("name", "shape", "said"),
    [
        ("label_prob", None, "missing"),
        ("label_prob", (4, 3), "of shape .4, 3."),
        ("label_prob", (3, 2), "of shape .3, 2."),
        ("latent", (4, 1), "of shape"),
        ("novelty_score", (4, 1), "of shape"),
        ("umap", (4, 3), "of shape"),
    ],
)
def test_answers_that_the_manifest_does_not_promise(
    forgery: Any, name: str, shape: tuple[int, ...] | None, said: str
) -> None:
    right = {one: np.zeros(extent, np.float32) for one, extent in ANSWERS.items()}
    check_answers(EncodedCells(0, right, np.ones(4)), forgery.manifest())
    wrong = {one: values for one, values in right.items() if one != name}
    if shape is not None:
        wrong[name] = np.zeros(shape, np.float32)
    with pytest.raises(AtlasError, match=f"does not answer '{name}' .* for 4 cells it is {said}"):
        check_answers(EncodedCells(0, wrong, np.ones(4)), forgery.manifest())


@pytest.mark.parametrize(
    "inputs",
    [
        {"features": np.zeros((2, 7), np.float32)},
        {"features": np.zeros((2, 43))},
        {"other": np.zeros((2, 43), np.float32)},
        {},
    ],
    ids=["width", "type", "name", "none"],
)
def test_graph_that_does_not_take_its_inputs(tail: Any, inputs: dict[str, Any]) -> None:
    with pytest.raises(AtlasError, match="fails on its inputs"):
        run_graph(tail, inputs)
