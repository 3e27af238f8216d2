"""Queries that hold what they should, but the wrong way round."""

from __future__ import annotations

import pytest

from cellport.runtime.errors import InputError
from cellport.runtime.mapping.atlas import load_atlas
from cellport.runtime.mapping.options import MapOptions


@pytest.mark.parametrize("minimum", [0.2, 0.0])
@pytest.mark.parametrize("form", ["object", "csr", "dense", "layer", "in a column"])
def test_a_transposed_matrix_is_called_so(tiny_cells, tiny_atlas_path, tmp_path, form, minimum):
    cells = tiny_cells.adata()
    if form == "dense":
        cells.X = cells.X.toarray()
    if form == "layer":
        cells.layers["counts"] = cells.X.copy()
    turned, path = cells.T.copy(), tmp_path / "turned.h5ad"
    if form == "in a column":
        turned.obs = turned.obs[[]].assign(gene_symbols=turned.obs_names)
        turned.obs_names = [f"row{i}" for i in range(turned.n_obs)]
    turned.write_h5ad(path)
    atlas, how = load_atlas(tiny_atlas_path), MapOptions(minimum_genes=minimum)
    with pytest.raises(InputError, match=r"is transposed: its cells have names of genes") as said:
        atlas.map(turned if form == "object" else path, how)
    assert f"'{cells.var_names[0]}'" in str(said.value)
    upright = turned.T.copy()
    assert len(atlas.map(upright).obs["cellport_label"]) == cells.n_obs
