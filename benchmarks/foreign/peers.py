"""Train, and map with, the packages themselves.

    python -m benchmarks.foreign.peers train KIND REFERENCE FOLDER     label, batch in obs
    python -m benchmarks.foreign.peers map KIND FOLDER QUERY OUT       labels and probabilities
    python -m benchmarks.foreign.peers batch scanvi FOLDER             the batch of ``map``

Run by ``benchmarks.foreign`` in an environment with celltypist and scvi-tools; imports nothing of
cellport. ``map`` is the whole process that is timed: it reads the query, does what the package's
documentation does, and writes an ``.npz`` of labels and probabilities.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import anndata
import numpy as np

warnings.simplefilter("ignore")

N_GENES = 2000


def celltypist_train(cells, folder):
    import celltypist

    model = celltypist.train(log_counts(cells), "label", check_expression=False, max_iter=300)
    model.write(str(folder / "model.pkl"))


def celltypist_map(folder, cells):
    import celltypist

    # a Model, because 1.7.1 asks the network for its list when it is given a path
    model = celltypist.Model.load(str(folder / "model.pkl"))
    found = celltypist.annotate(log_counts(cells), model=model)
    names = found.probability_matrix.columns.astype(str)
    return found.predicted_labels["predicted_labels"], found.probability_matrix, names


def log_counts(cells):
    import scanpy as sc

    sc.pp.normalize_total(cells, target_sum=1e4)
    sc.pp.log1p(cells)
    return cells


def scanvi_train(cells, folder, n_genes=N_GENES, epochs=30, **sizes):
    import scanpy as sc
    import scvi

    scvi.settings.seed = 0
    sc.pp.highly_variable_genes(cells, n_top_genes=n_genes, flavor="seurat_v3", subset=True)
    scvi.model.SCANVI.setup_anndata(
        cells, batch_key="batch", labels_key="label", unlabeled_category="Unknown"
    )
    settings = {"use_layer_norm": "both", "use_batch_norm": "none", "encode_covariates": True}
    settings |= sizes
    model = scvi.model.SCANVI(cells, n_layers=2, n_latent=30, **settings)
    model.train(max_epochs=epochs, accelerator="cpu", enable_progress_bar=False)
    model.save(folder, overwrite=True)


def scanvi_large_train(cells, folder):
    # how well it is trained changes nothing of how long its conversion takes
    scanvi_train(cells, folder, n_genes=8000, epochs=1, n_hidden=512)


def scanvi_map(folder, cells):
    import scvi

    # a batch that it knows, without the training on each query that scArches does
    genes = scanvi_file(folder)["var_names"]
    mapped = cells[:, cells.var_names.isin(genes)].copy()
    mapped.obs["batch"] = first_batch(folder)
    mapped.obs["label"] = "Unknown"
    scvi.model.SCANVI.prepare_query_anndata(mapped, str(folder))
    model = scvi.model.SCANVI.load(folder, adata=mapped, accelerator="cpu")
    found = model.predict(mapped, soft=True)
    return found.columns[found.to_numpy().argmax(1)], found, found.columns


def scanvi_file(folder):
    import torch

    return torch.load(folder / "model.pt", map_location="cpu", weights_only=False)


def first_batch(folder):
    fields = scanvi_file(folder)["attr_dict"]["registry_"]["field_registries"]
    return fields["batch"]["state_registry"]["categorical_mapping"][0]


TOOLS = {
    "celltypist": (celltypist_train, celltypist_map),
    "scanvi": (scanvi_train, scanvi_map),
    "scanvi_large": (scanvi_large_train, scanvi_map),
}


def main() -> None:
    step, kind, *paths = sys.argv[1:]
    train, label = TOOLS[kind]
    if step == "train":
        reference, folder = map(Path, paths)
        folder.mkdir(parents=True, exist_ok=True)
        train(anndata.read_h5ad(reference), folder)
        return
    if step == "batch":
        print(first_batch(Path(*paths)))
        return
    folder, query, out = map(Path, paths)
    labels, probability, names = label(folder, anndata.read_h5ad(query))
    np.savez(
        out,
        label=np.asarray(labels, str),
        probability=np.asarray(probability, np.float32),
        names=np.asarray(names, str),
    )


if __name__ == "__main__":
    main()
