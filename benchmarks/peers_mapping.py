"""Map a query with another tool, as its documentation does it; run by ``mapping.py``.

    python peers_mapping.py prepare METHOD FOLDER      build the reference, once
    python peers_mapping.py map METHOD FOLDER QUERY    label a query file, and write a CSV

Runs in an environment of its own with scanpy, scvi-tools, symphonypy, harmonypy and celltypist;
imports nothing of cellport. Each tool maps onto the 10x cells of the lung dataset.
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

warnings.simplefilter("ignore")

LABELS, BATCH = "cell_type_coarse", "donor"
N_GENES = 2000


def reference():
    import anndata

    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("CELLPORT_DATA", default))
    cells = anndata.read_h5ad(folder / "human_lung_hlca.h5ad")
    return cells[cells.obs["technology"] == "10x_v2"].copy()


def variable_reference():
    import scanpy as sc

    cells = reference()
    sc.pp.highly_variable_genes(
        cells, n_top_genes=N_GENES, flavor="seurat_v3", batch_key=BATCH, subset=True
    )
    return cells


def nearest_labels(reference_space, labels, query_space):
    from sklearn.neighbors import KNeighborsClassifier

    return (
        KNeighborsClassifier(15, weights="distance")
        .fit(reference_space, labels)
        .predict(query_space)
    )


def write(cells, labels, out: Path) -> None:
    import pandas as pd

    pd.DataFrame({"label": labels}, index=cells.obs_names).to_csv(out)


def anndata_prepare(_: Path) -> None:
    pass


def anndata_map(_: Path, query: Path) -> None:
    import anndata

    anndata.read_h5ad(query)


def scanpy_prepare(folder: Path) -> None:
    import scanpy as sc

    cells = variable_reference()
    sc.pp.normalize_total(cells, target_sum=1e4)
    sc.pp.log1p(cells)
    sc.pp.pca(cells, n_comps=30, zero_center=False)
    cells.write_h5ad(folder / "scanpy.h5ad")


def scanpy_map(folder: Path, query: Path) -> None:
    import anndata
    import scanpy as sc

    known = anndata.read_h5ad(folder / "scanpy.h5ad")
    cells = anndata.read_h5ad(query)
    sc.pp.normalize_total(cells, target_sum=1e4)
    sc.pp.log1p(cells)
    projected = cells[:, known.var_names].X @ known.varm["PCs"]
    labels = nearest_labels(known.obsm["X_pca"], known.obs[LABELS], projected)
    write(cells, labels, folder / "scanpy.csv")


def scvi_prepare(folder: Path) -> None:
    import scvi

    cells = variable_reference()
    scvi.model.SCVI.setup_anndata(cells, batch_key=BATCH)
    model = scvi.model.SCVI(
        cells, n_layers=2, n_latent=30, use_layer_norm="both", use_batch_norm="none"
    )
    model.train(max_epochs=100)
    cells.obsm["X_scvi"] = model.get_latent_representation()
    model.save(folder / "scvi", overwrite=True)
    cells.write_h5ad(folder / "scvi.h5ad")


def scvi_map(folder: Path, query: Path) -> None:
    import anndata
    import scvi

    cells = anndata.read_h5ad(query)
    known = anndata.read_h5ad(folder / "scvi.h5ad")
    cells.obs[BATCH] = known.obs[BATCH].iloc[0]
    mapped = cells[:, known.var_names].copy()
    model = scvi.model.SCVI.load(folder / "scvi", adata=mapped)
    latent = model.get_latent_representation(mapped)
    write(
        cells, nearest_labels(known.obsm["X_scvi"], known.obs[LABELS], latent), folder / "scvi.csv"
    )


def symphony_prepare(folder: Path) -> None:
    import scanpy as sc
    import symphonypy as sp

    cells = reference()
    sc.pp.normalize_total(cells, target_sum=1e4)
    sc.pp.log1p(cells)
    sc.pp.highly_variable_genes(cells, n_top_genes=N_GENES, batch_key=BATCH)
    cells.raw = cells
    cells = cells[:, cells.var.highly_variable].copy()
    sc.pp.scale(cells, max_value=10)
    sc.pp.pca(cells, n_comps=30, zero_center=False)
    sp.pp.harmony_integrate(cells, key=BATCH)
    cells.write_h5ad(folder / "symphony.h5ad")


def symphony_map(folder: Path, query: Path) -> None:
    import anndata
    import scanpy as sc
    import symphonypy as sp

    known = anndata.read_h5ad(folder / "symphony.h5ad")
    cells = anndata.read_h5ad(query)
    sc.pp.normalize_total(cells, target_sum=1e4)
    sc.pp.log1p(cells)
    sp.tl.map_embedding(cells, known)
    sp.tl.transfer_labels_kNN(cells, known, LABELS)
    write(cells, cells.obs[LABELS], folder / "symphony.csv")


def celltypist_prepare(folder: Path) -> None:
    import celltypist
    import scanpy as sc

    cells = reference()
    sc.pp.normalize_total(cells, target_sum=1e4)
    sc.pp.log1p(cells)
    model = celltypist.train(cells, labels=LABELS, feature_selection=True, check_expression=False)
    model.write(str(folder / "celltypist.pkl"))


def celltypist_map(folder: Path, query: Path) -> None:
    import anndata
    import celltypist
    import scanpy as sc

    cells = anndata.read_h5ad(query)
    sc.pp.normalize_total(cells, target_sum=1e4)
    sc.pp.log1p(cells)
    found = celltypist.annotate(cells, model=str(folder / "celltypist.pkl"))
    write(cells, found.predicted_labels["predicted_labels"], folder / "celltypist.csv")


if __name__ == "__main__":
    step, method, folder, *query = sys.argv[1:]
    globals()[f"{method}_{step}"](Path(folder), *map(Path, query))
