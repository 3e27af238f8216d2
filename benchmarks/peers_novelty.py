"""How strange other tools find query cells; run by ``novelty.py``.

    python peers_novelty.py FAMILY FOLDER ...

A folder holds ``reference.h5ad`` (label, batch, and the gene panel in ``var``) and query files
beside it, and gets ``FAMILY.json``: scores by query, larger for stranger cells. Runs in an
environment of its own with scanpy, scvi-tools, symphonypy, harmonypy and celltypist; imports
nothing of cellport.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path

os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import anndata
import numpy as np
import scanpy as sc
from peers_accuracy import BATCH, LABEL, LAYER_NORM, N_COMPONENTS, SCVI, log_counts, panel, quiet

warnings.simplefilter("ignore")

N_NEIGHBORS = 15
# of 128 cells each, so that all cases train in minutes
SCVI_STEPS = 400


def celltypist(reference):
    """One minus the probability of CellTypist's best label."""
    import celltypist as ct

    ct.logger.set_level(50)
    model = ct.train(log_counts(reference)[:, panel(reference)], LABEL, check_expression=False)

    def score(query):
        found = ct.annotate(log_counts(query), model=model).probability_matrix
        return 1 - found.to_numpy().max(axis=1)

    return "CellTypist probability", score


def symphony(reference):
    """Symphony's per-cell confidence: weighted Mahalanobis distance to the reference's clusters."""
    import symphonypy as sp_

    known = log_counts(reference)[:, panel(reference)].copy()
    known.var["highly_variable"] = True
    sc.pp.scale(known, max_value=10)
    sc.pp.pca(known, n_comps=N_COMPONENTS, zero_center=False)
    sp_.pp.harmony_integrate(known, key=BATCH)

    def score(query):
        cells = log_counts(query)
        sp_.tl.map_embedding(cells, known, key=BATCH)
        sp_.tl.per_cell_confidence(cells, known)
        return cells.obs["symphony_per_cell_dist"].to_numpy()

    return "Symphony confidence", score


def scvi(reference):
    """Mean distance to the 15 nearest reference cells in the latent of zero-shot scVI."""
    import scvi as tools
    from sklearn.neighbors import NearestNeighbors

    tools.settings.seed = 0
    known = reference[:, panel(reference)].copy()
    tools.model.SCVI.setup_anndata(known, batch_key=BATCH)
    model = tools.model.SCVI(known, **SCVI, **LAYER_NORM)
    model.train(max_epochs=min(400, round(SCVI_STEPS * 128 / len(known))), **quiet())
    nearest = NearestNeighbors(n_neighbors=N_NEIGHBORS).fit(model.get_latent_representation())

    def score(query):
        cells = query[:, known.var_names].copy()
        cells.obs[BATCH] = known.obs[BATCH].iloc[0]
        return nearest.kneighbors(model.get_latent_representation(cells))[0].mean(axis=1)

    return "scVI + kNN distance", score


FAMILIES = {"celltypist": celltypist, "symphony": symphony, "scvi": scvi}


def main() -> None:
    family, *folders = sys.argv[1:]
    for folder in map(Path, folders):
        method, score = FAMILIES[family](anndata.read_h5ad(folder / "reference.h5ad"))
        scores = {}
        for path in sorted(folder.glob("*.h5ad")):
            if path.stem != "reference":
                found = np.asarray(score(anndata.read_h5ad(path)), dtype=float)
                scores[path.stem] = np.nan_to_num(found, nan=1e9).tolist()
        partial = folder / f"{family}.partial"
        partial.write_text(json.dumps({"method": method, "scores": scores}))
        partial.replace(folder / f"{family}.json")
        print(family, folder.name, flush=True)


if __name__ == "__main__":
    main()
