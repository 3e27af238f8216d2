from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import onnxruntime
import pytest
import scipy.sparse as sp
from numpy.testing import assert_array_equal

from cellport.runtime.errors import AtlasError, CellportError, InputError
from cellport.runtime.mapping.atlas import Atlas, MapOptions, load_atlas
from cellport.runtime.mapping.gather import NOVEL_GROUPS, TALLY
from cellport.runtime.mapping.gather.tally import Tally
from cellport.runtime.mapping.result import Mapping
from cellport.runtime.version import __version__


@pytest.fixture(scope="module")
def atlas(tiny_atlas_path: Path) -> Atlas:
    return load_atlas(tiny_atlas_path)


@pytest.fixture
def query(tiny_cells: Any, tmp_path: Path) -> Path:
    tiny_cells.adata().write_h5ad(tmp_path / "query.h5ad")
    return tmp_path / "query.h5ad"


def test_atlas_says_what_it_is(atlas: Atlas) -> None:
    assert repr(atlas) == "Atlas('tiny': 100 genes, 3 labels, 8-d latent)"
    assert atlas.panel.n_genes == atlas.manifest.n_genes == 100
    assert atlas.panel is atlas.manifest.panel


def test_no_atlas_there(tmp_path: Path) -> None:
    with pytest.raises(AtlasError, match="No such atlas file"):
        load_atlas(tmp_path / "none.cellport")


def test_mapped_cells_have_their_types(atlas: Atlas, tiny_cells: Any) -> None:
    mapping = atlas.map(tiny_cells.adata())
    assert isinstance(mapping, Mapping)
    assert (mapping["cellport_label"] == tiny_cells.label).mean() > 0.9
    assert mapping["cellport_prob"].min() > 1 / 3
    assert mapping["cellport_prob"].max() <= 1
    assert mapping["X_cellport"].shape == (240, 8)
    assert set(mapping["cellport_qc"]) <= {"ok", "low_depth"}


def test_provenance(atlas: Atlas, query: Path) -> None:
    uns = atlas.map(query).uns["cellport"]
    assert uns["atlas"] == "tiny"
    assert uns["atlas_sha256"] == atlas.file.sha256
    assert uns["cellport_version"] == __version__
    assert uns["onnxruntime_version"] == onnxruntime.__version__
    assert uns["device"] == "cpu"
    assert uns["counts_from"] == [f"{query}, X"]
    assert uns["notes"] == []
    assert uns["genes"]["n_matched"] == 100
    assert uns["thresholds"] == asdict(atlas.manifest.thresholds)
    assert uns["n_cells"] == 240
    assert 0 < uns["seconds"] < 600


def test_repairs_are_noted(atlas: Atlas, tiny_cells: Any) -> None:
    adata = tiny_cells.adata()
    adata.layers["counts"] = adata.X.copy()
    adata.X = np.log1p(adata.X.toarray())
    (note,) = atlas.map(adata).uns["cellport"]["notes"]
    assert "raw counts were found in layers['counts']" in note


def test_counts_of_all_genes_in_raw_go_before_counts_of_some(atlas: Atlas, tiny_cells: Any) -> None:
    whole = tiny_cells.adata()
    some = whole[:, ::2].copy()
    some.raw = whole
    found, expected = atlas.map(some), atlas.map(whole)
    assert_array_equal(found["X_cellport"], expected["X_cellport"])
    assert "raw/X" in str(found.uns["cellport"]["counts_from"])
    assert "X too holds raw counts" in " ".join(found.uns["cellport"]["notes"])


@pytest.mark.parametrize("threads", [1, 2])
def test_some_cells_of_a_query_are_mapped_as_in_the_whole(
    atlas: Atlas, query: Path, threads: int
) -> None:
    whole = atlas.map(query)
    stream = atlas.stream(query, cells=(50, 171), block_cells=16, threads=threads)
    assert stream.n_cells == 121
    blocks = list(stream.blocks)
    assert blocks[0].start == 50
    part = Mapping.from_blocks(stream.schema, blocks)
    assert part.cell_names.tolist() == whole.cell_names[50:171].tolist()
    for name in (*whole.obs, *whole.obsm):
        assert_array_equal(part[name], whole[name][50:171], err_msg=name)


def test_options_one_by_one_or_together(atlas: Atlas, tiny_cells: Any) -> None:
    adata = tiny_cells.adata()
    adata.layers["soup"] = adata.X.copy()
    adata.layers["soup"].data += 0.25
    with pytest.raises(InputError, match="instead of raw counts"):
        atlas.map(adata, layer="soup")
    options = MapOptions(layer="soup", allow_fractional=True)
    one = atlas.map(adata, options)
    other = atlas.map(adata, MapOptions(layer="X"), layer="soup", allow_fractional=True)
    assert_array_equal(one["X_cellport"], other["X_cellport"])
    with pytest.raises(TypeError, match="block_cell"):
        atlas.map(adata, block_cell=3)


def test_a_block_has_a_cell_at_least(atlas: Atlas, tiny_cells: Any) -> None:
    with pytest.raises(InputError, match="block_cells must be at least 1"):
        atlas.map(tiny_cells.adata(), block_cells=0)


def test_a_stream_says_all_before_it_maps(atlas: Atlas, query: Path) -> None:
    stream = atlas.stream(query, block_cells=100)
    assert stream.n_cells == 240
    assert stream.genes.share == 1
    assert stream.facts.counts_from == f"{query}, X"
    assert [column.name for column in stream.schema.columns] == [
        "cellport_label", "cellport_prob", "cellport_call", "cellport_label_set",
        "cellport_novelty_p", "cellport_novel", "cellport_qc", "cellport_cluster",
    ]  # fmt: skip
    blocks = list(stream.blocks)
    assert [(block.start, block.n_cells) for block in blocks] == [(0, 100), (100, 100), (200, 40)]
    assert all(block.counts is None for block in blocks)


def test_counts_come_with_their_cells_when_asked_for(atlas: Atlas, tiny_cells: Any) -> None:
    adata = tiny_cells.adata()
    for block in atlas.stream(adata, block_cells=100, keep_counts=True).blocks:
        stop = block.start + block.n_cells
        assert_array_equal(block.counts.data, adata.X[block.start : stop].data)


def test_the_query_is_released_when_all_is_done_or_nobody_goes_on(
    atlas: Atlas, query: Path
) -> None:
    for take_all in (True, False):
        stream = atlas.stream(query, block_cells=100)
        next(stream.blocks)
        with pytest.raises(OSError, match=r"(?i)unable"):
            h5py.File(query, "r+")
        if take_all:
            list(stream.blocks)
        else:
            stream.blocks.close()  # type: ignore[attr-defined]
        h5py.File(query, "r+").close()


def test_the_query_is_released_when_it_is_refused(atlas: Atlas, query: Path) -> None:
    with pytest.raises(InputError, match="at least 200%"):
        atlas.stream(query, minimum_genes=2.0)
    h5py.File(query, "r+").close()


def test_the_query_is_not_changed(atlas: Atlas, tiny_cells: Any) -> None:
    adata = tiny_cells.adata()
    before = adata.copy()
    atlas.map(adata)
    assert (adata.X != before.X).nnz == 0
    assert adata.obs.equals(before.obs)
    assert adata.uns == {}


def test_one_gene_is_enough_if_that_is_wanted(atlas: Atlas) -> None:
    counts = sp.csr_matrix(np.array([[5.0], [0.0]], np.float32))
    symbol = atlas.panel.symbols[0]
    mapping = atlas.map((counts, [symbol]), minimum_genes=0.0)
    assert mapping["cellport_qc"].tolist() == ["low_depth", "empty"]
    assert np.isfinite(mapping["X_cellport"]).all()
    with pytest.raises(InputError, match="Only 0 of"):
        atlas.map((counts, ["nothing"]), minimum_genes=0.0)


# --- decoding


def test_decoded_counts_add_up_to_the_library(atlas: Atlas, tiny_cells: Any) -> None:
    latent = atlas.map(tiny_cells.adata())["X_cellport"][:20]
    assert atlas.decode(latent).shape == (20, 100)
    np.testing.assert_allclose(atlas.decode(latent, library=500.0).sum(axis=1), 500, rtol=1e-4)
    library = np.arange(1, 21) * 100.0
    decoded = atlas.decode(latent, batch="north", library=library)
    np.testing.assert_allclose(decoded.sum(axis=1), library, rtol=1e-4)
    assert (decoded >= 0).all()


def test_decoded_cells_look_like_their_type(atlas: Atlas, tiny_cells: Any) -> None:
    """Decoded means follow the mean counts of the type better than those of other types."""
    adata = tiny_cells.adata()
    latent = atlas.map(adata)["X_cellport"]
    panel = adata[:, list(atlas.panel.symbols)].X.toarray()
    means = {name: panel[tiny_cells.label == name].mean(axis=0) for name in ("alpha", "gamma")}
    for name in means:
        decoded = atlas.decode(latent[tiny_cells.label == name]).mean(axis=0)
        fit = {other: np.corrcoef(np.log1p(decoded), np.log1p(m))[0, 1] for other, m in
               means.items()}  # fmt: skip
        assert max(fit, key=fit.__getitem__) == name


def test_without_a_batch_the_mean_over_all(atlas: Atlas) -> None:
    latent = np.random.default_rng(0).normal(size=(5, 8))
    each = [atlas.decode(latent, batch=name) for name in ("north", "south")]
    np.testing.assert_allclose(atlas.decode(latent), np.mean(each, axis=0), rtol=1e-5)
    assert not np.allclose(*each)


def test_no_cells_are_decoded_to_none(atlas: Atlas) -> None:
    assert atlas.decode(np.empty((0, 8))).shape == (0, 100)


def test_decode_refuses_what_does_not_fit(atlas: Atlas) -> None:
    latent = np.zeros((4, 8))
    with pytest.raises(InputError, match=r"No batch 'east' .* There are: 'north', 'south'"):
        atlas.decode(latent, batch="east")
    for wrong in (np.zeros((4, 7)), np.zeros(8)):
        with pytest.raises(InputError, match=r"latent must be \[cells, 8\]"):
            atlas.decode(wrong)
    with pytest.raises(InputError, match="library must be one number or 4, not 3"):
        atlas.decode(latent, library=np.ones(3))


def test_a_failure_of_the_network_names_the_cells(
    atlas: Atlas, tiny_cells: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tail = atlas._tail(MapOptions())

    class Failing:
        seen = 0

        def __getattr__(self, name: str) -> Any:
            return getattr(tail, name)

        def run(self, names: Any, inputs: Any) -> Any:
            self.seen += 1
            if self.seen == 3:
                raise RuntimeError("out of memory")
            return tail.run(names, inputs)

    failing = Failing()
    monkeypatch.setattr(atlas, "_tail", lambda how: failing)
    with pytest.raises(CellportError, match=r"Cells 20 to 29 could not .*out of memory"):
        atlas.map((tiny_cells.counts, tiny_cells.symbols), block_cells=10)


@pytest.mark.parametrize("block_cells", [7, 4096])
def test_sums_are_gathered_on_the_way(atlas: Atlas, tiny_cells: Any, block_cells: int) -> None:
    names = (TALLY, NOVEL_GROUPS, TALLY)
    mapping = atlas.map(tiny_cells.adata(), gather=names, block_cells=block_cells)
    assert list(mapping.gathered) == [TALLY, NOVEL_GROUPS]
    tally = mapping.gathered[TALLY]
    assert isinstance(tally, Tally)
    called = dict(zip(tally.calls, tally.by_call.tolist(), strict=True))
    assert Counter(called) == Counter(mapping["cellport_call"])
    assert atlas.map(tiny_cells.adata()).gathered == {}
    with pytest.raises(InputError, match="Nothing gathers 'sums'"):
        atlas.map(tiny_cells.adata(), gather=("sums",))
