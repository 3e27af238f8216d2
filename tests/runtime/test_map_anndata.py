"""Results in an AnnData are those of the mapping, and nothing else in it changes."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import cellport
from cellport.runtime.errors import AtlasError, InputError


def equal(adata, mapping):
    for column in mapping.schema.columns:
        found = adata.obs[column.name]
        if column.kind == "category":
            assert found.cat.codes.tolist() == mapping.obs[column.name].tolist()
            assert tuple(found.cat.categories) == tuple(column.categories)
        else:
            np.testing.assert_array_equal(found.to_numpy(), mapping.obs[column.name])
    for name, values in mapping.obsm.items():
        np.testing.assert_array_equal(adata.obsm[name], values)


def test_it_holds_what_the_atlas_maps(tiny_atlas_path, tiny_cells):
    adata = tiny_cells.adata()
    before = adata.copy()
    wanted = cellport.load_atlas(tiny_atlas_path).map(before, neighbors=2)
    equal(adata, cellport.map_anndata(adata, tiny_atlas_path, neighbors=2))
    equal(adata, wanted)
    for fact in ("atlas_sha256", "counts_from", "genes"):
        assert adata.uns["cellport"][fact] == wanted.uns["cellport"][fact]
    kept = adata.obs[list(before.obs)]
    assert kept.equals(before.obs)
    assert (adata.X != before.X).nnz == 0
    assert list(adata.var) == list(before.var)


def test_mapping_again_replaces_the_results(tiny_atlas_path, tiny_cells):
    adata = tiny_cells.adata()
    atlas = cellport.load_atlas(tiny_atlas_path)
    cellport.map_anndata(adata, atlas)
    columns = list(adata.obs)
    adata.obs["cellport_prob"] = 0.0
    equal(adata, cellport.map_anndata(adata, atlas))
    assert list(adata.obs) == columns


@pytest.mark.parametrize("name", ["rna", "gex"])
def test_of_a_mudata_the_rna_is_mapped(name, tiny_atlas_path, tiny_cells):
    adata = tiny_cells.adata()
    proteins = adata.copy()
    before = list(proteins.obs)
    several = SimpleNamespace(mod={"prot": proteins, name: adata})
    equal(adata, cellport.map_anndata(several, tiny_atlas_path))
    assert list(proteins.obs) == before


def test_a_mudata_without_rna_is_refused(tiny_atlas_path, tiny_cells):
    adata = tiny_cells.adata()
    with pytest.raises(InputError, match="the MuData object"):
        cellport.map_anndata(SimpleNamespace(mod={"prot": adata}), tiny_atlas_path)
    with pytest.raises(InputError, match="mod/a, mod/b"):
        cellport.map_anndata(SimpleNamespace(mod={"a": adata, "b": adata}), tiny_atlas_path)


def test_a_real_mudata(tiny_atlas_path, tiny_cells):
    mudata = pytest.importorskip("mudata")
    with mudata.set_options(pull_on_update=False):
        several = mudata.MuData({"rna": tiny_cells.adata()})
    equal(several["rna"], cellport.map_anndata(several, tiny_atlas_path))


def test_what_cannot_be_mapped_stays_as_it_was(tiny_atlas_path, tiny_cells):
    adata = tiny_cells.adata()
    adata.X = adata.X.astype(np.float32) * 0.37
    before = list(adata.obs)
    with pytest.raises(InputError, match="raw counts"):
        cellport.map_anndata(adata, tiny_atlas_path)
    with pytest.raises(AtlasError):
        cellport.map_anndata(tiny_cells.adata(), "nowhere.cellport")
    with pytest.raises(InputError, match="takes an AnnData or a MuData, not a str"):
        cellport.map_anndata("cells.h5ad", tiny_atlas_path)
    assert list(adata.obs) == before
    assert "cellport" not in adata.uns
