"""How strange other tools find query cells.

    python -m benchmarks.novelty.peers FAMILY FOLDER ...

Run by ``benchmarks.novelty`` in an environment of its own with scanpy, scvi-tools, symphonypy,
harmonypy and celltypist; imports nothing of cellport. A folder holds ``reference.h5ad`` (label,
batch, and the gene panel in ``var``) and query files beside it, and gets ``FAMILY.json``: scores by
query, larger for stranger cells.
"""

from __future__ import annotations

import sys
from pathlib import Path

import anndata
import numpy as np

from benchmarks.shared import peer_tools as tools
from benchmarks.shared.peer_tools import BATCH, N_NEIGHBORS

# of 128 cells each, so that all cases train in minutes
SCVI_STEPS = 400


def celltypist(reference):
    """One minus the probability of CellTypist's best label."""
    import celltypist

    model = tools.celltypist_model(reference)

    def score(query):
        found = celltypist.annotate(tools.log_counts(query), model=model).probability_matrix
        return 1 - found.to_numpy().max(axis=1)

    return "CellTypist probability", score


def symphony(reference):
    """Symphony's per-cell confidence: weighted Mahalanobis distance to the reference's clusters."""
    import symphonypy

    known = tools.harmony_reference(reference, pca_seed=0, harmony_seed=1)

    def score(query):
        cells = tools.log_counts(query)
        symphonypy.tl.map_embedding(cells, known, key=BATCH)
        symphonypy.tl.per_cell_confidence(cells, known)
        return cells.obs["symphony_per_cell_dist"].to_numpy()

    return "Symphony confidence", score


def scvi(reference):
    """Mean distance to the 15 nearest reference cells in the latent of zero-shot scVI."""
    import scvi
    from sklearn.neighbors import NearestNeighbors

    # its queries hold a label that it has not seen
    known = tools.scvi_cells(reference, 0, labels_key=None)
    model = scvi.model.SCVI(known, **tools.SCVI, **tools.ZERO_SHOT)
    model.train(max_epochs=min(400, round(SCVI_STEPS * 128 / len(known))), **tools.quiet())
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
        tools.write_json(folder / f"{family}.json", {"method": method, "scores": scores})
        print(family, folder.name, flush=True)


if __name__ == "__main__":
    main()
