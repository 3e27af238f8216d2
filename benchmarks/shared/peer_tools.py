"""What peers of several questions share; needs their environment, and nothing of cellport."""

from __future__ import annotations

import json
import warnings

import scanpy as sc

warnings.simplefilter("ignore")

LABEL, BATCH, PANEL = "label", "batch", "panel"
N_COMPONENTS, N_NEIGHBORS = 30, 15
SCVI = {"n_layers": 2, "n_latent": 30, "gene_likelihood": "nb"}
# the encoder does not see the batch, so that a query needs no training
ZERO_SHOT = {"use_layer_norm": "both", "use_batch_norm": "none"}


def panel(cells):
    """Names of the genes that all methods get."""
    return cells.var_names[cells.var[PANEL]]


def log_counts(cells):
    cells = cells.copy()
    sc.pp.normalize_total(cells, target_sum=1e4)
    sc.pp.log1p(cells)
    return cells


def log_panel(cells):
    """Log counts of the panel, out of the total over all genes."""
    return log_counts(cells)[:, panel(cells)].copy()


def celltypist_model(reference):
    """CellTypist's default model on the panel."""
    import celltypist

    celltypist.logger.set_level(50)
    return celltypist.train(log_panel(reference), LABEL, check_expression=False)


def harmony_reference(reference, pca_seed, harmony_seed):
    """Principal components of the reference, freed from its batches, as Symphony maps onto them."""
    import symphonypy

    known = log_panel(reference)
    known.var["highly_variable"] = True
    sc.pp.scale(known, max_value=10)
    sc.pp.pca(known, n_comps=N_COMPONENTS, zero_center=False, random_state=pca_seed)
    symphonypy.pp.harmony_integrate(known, key=BATCH, random_seed=harmony_seed)
    return known


def scvi_cells(reference, seed, labels_key=LABEL):
    """Cells of the panel as scVI takes them; sets its seed."""
    import scvi

    scvi.settings.seed = seed
    known = reference[:, panel(reference)].copy()
    scvi.model.SCVI.setup_anndata(known, batch_key=BATCH, labels_key=labels_key)
    return known


def trained_scvi(known, **settings):
    """At most the tool's own 400 epochs, or 1,500 batches of 128, which take minutes here."""
    import scvi

    model = scvi.model.SCVI(known, **SCVI, **settings)
    most = min(400, round(1500 * 128 / (0.9 * len(known))))
    model.train(max_epochs=most, early_stopping=True, **quiet())
    return model


def quiet():
    return {"enable_progress_bar": False, "accelerator": "cpu"}


def write_json(path, made):
    """Write figures, whole or not at all."""
    part = path.with_suffix(".partial")
    part.write_text(json.dumps(made))
    part.replace(path)
