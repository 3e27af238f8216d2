"""Map a query with another tool, as its documentation does it.

    python -m benchmarks.mapping.peers prepare METHOD FOLDER      build the reference, once
    python -m benchmarks.mapping.peers map METHOD FOLDER QUERY    label a query file, write a CSV

Run by ``benchmarks.mapping`` in an environment of its own with scanpy, scvi-tools, symphonypy,
harmonypy and celltypist; imports nothing of cellport. Each tool maps onto the 10x cells of the lung
dataset, and imports what it needs when it runs: its seconds are its own.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import anndata

warnings.simplefilter("ignore")

LABELS, BATCH = "cell_type_coarse", "donor"
N_GENES = 2000


def reference():
    from benchmarks.shared.data import LUNG

    cells = LUNG.read()
    return cells[cells.obs["technology"] == "10x_v2"].copy()


def variable_reference():
    import scanpy as sc

    cells, how = reference(), {"flavor": "seurat_v3", "batch_key": BATCH, "subset": True}
    sc.pp.highly_variable_genes(cells, n_top_genes=N_GENES, **how)
    return cells


def log_counts(cells):
    import scanpy as sc

    sc.pp.normalize_total(cells, target_sum=1e4)
    sc.pp.log1p(cells)
    return cells


def nearest_labels(reference_space, labels, query_space):
    from sklearn.neighbors import KNeighborsClassifier

    model = KNeighborsClassifier(15, weights="distance").fit(reference_space, labels)
    return model.predict(query_space)


def scanpy_prepare(folder):
    import scanpy as sc

    cells = log_counts(variable_reference())
    sc.pp.pca(cells, n_comps=30, zero_center=False)
    cells.write_h5ad(folder / "scanpy.h5ad")


def scanpy_map(folder, cells):
    known = anndata.read_h5ad(folder / "scanpy.h5ad")
    projected = log_counts(cells)[:, known.var_names].X @ known.varm["PCs"]
    return nearest_labels(known.obsm["X_pca"], known.obs[LABELS], projected)


def scvi_prepare(folder):
    import scvi

    cells = variable_reference()
    scvi.model.SCVI.setup_anndata(cells, batch_key=BATCH)
    zero_shot = {"use_layer_norm": "both", "use_batch_norm": "none"}
    model = scvi.model.SCVI(cells, n_layers=2, n_latent=30, **zero_shot)
    model.train(max_epochs=100)
    cells.obsm["X_scvi"] = model.get_latent_representation()
    model.save(folder / "scvi", overwrite=True)
    cells.write_h5ad(folder / "scvi.h5ad")


def scvi_map(folder, cells):
    import scvi

    known = anndata.read_h5ad(folder / "scvi.h5ad")
    cells.obs[BATCH] = known.obs[BATCH].iloc[0]
    mapped = cells[:, known.var_names].copy()
    model = scvi.model.SCVI.load(folder / "scvi", adata=mapped)
    latent = model.get_latent_representation(mapped)
    return nearest_labels(known.obsm["X_scvi"], known.obs[LABELS], latent)


def symphony_prepare(folder):
    import scanpy as sc
    import symphonypy as sp

    cells = log_counts(reference())
    sc.pp.highly_variable_genes(cells, n_top_genes=N_GENES, batch_key=BATCH)
    cells.raw = cells
    cells = cells[:, cells.var.highly_variable].copy()
    sc.pp.scale(cells, max_value=10)
    sc.pp.pca(cells, n_comps=30, zero_center=False)
    sp.pp.harmony_integrate(cells, key=BATCH)
    cells.write_h5ad(folder / "symphony.h5ad")


def symphony_map(folder, cells):
    import symphonypy as sp

    known = anndata.read_h5ad(folder / "symphony.h5ad")
    sp.tl.map_embedding(log_counts(cells), known)
    sp.tl.transfer_labels_kNN(cells, known, LABELS)
    return cells.obs[LABELS]


def celltypist_prepare(folder):
    import celltypist

    how = {"feature_selection": True, "check_expression": False}
    model = celltypist.train(log_counts(reference()), labels=LABELS, **how)
    model.write(str(folder / "celltypist.pkl"))


def celltypist_map(folder, cells):
    import celltypist

    found = celltypist.annotate(log_counts(cells), model=str(folder / "celltypist.pkl"))
    return found.predicted_labels["predicted_labels"]


TOOLS = {
    "scanpy": (scanpy_prepare, scanpy_map),
    "scvi": (scvi_prepare, scvi_map),
    "symphony": (symphony_prepare, symphony_map),
    "celltypist": (celltypist_prepare, celltypist_map),
}


def main() -> None:
    step, method, folder, *query = sys.argv[1:]
    # of anndata itself there is nothing to prepare, and it labels nothing
    prepare, label = TOOLS.get(method, (lambda folder: None, None))
    if step == "prepare":
        prepare(Path(folder))
        return
    cells = anndata.read_h5ad(*query)
    if label is not None:
        import pandas as pd

        named = pd.DataFrame({"label": label(Path(folder), cells)}, index=cells.obs_names)
        named.to_csv(Path(folder) / f"{method}.csv")


if __name__ == "__main__":
    main()
