"""Order, embed and cluster cells with other tools; run by ``structure.py``.

    python peers_structure.py FAMILY SEED FOLDER ...

A folder holds ``cells.h5ad``: counts, ``label`` and ``batch`` in ``obs``, the gene panel in
``var``, and for trajectories the position of a root cell in ``uns``. It gets ``FAMILY.SEED.npz``
with ``pseudotime`` or ``embedding``. The family ``leiden`` clusters every embedding that the
folder holds at many resolutions, and ``scib`` scores these embeddings. Runs in an environment of
its own with scanpy, palantir, scvi-tools, harmonypy and scib-metrics; imports nothing of cellport.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from pathlib import Path

os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import anndata
import numpy as np
import scanpy as sc
from peers_accuracy import BATCH, LABEL, N_COMPONENTS, at_most_epochs, log_counts, panel, quiet

warnings.simplefilter("ignore")

RESOLUTIONS = (0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 1.4, 2.0)
SCVI = {"n_layers": 2, "n_latent": 30, "gene_likelihood": "nb"}


def prepared(cells, seed):
    """Log counts of the panel, and their principal components."""
    known = log_counts(cells)[:, panel(cells)].copy()
    sc.pp.pca(known, n_comps=N_COMPONENTS, random_state=seed)
    return known


def dpt(cells, seed, folder):
    """Diffusion pseudotime of scanpy, defaults."""
    known = prepared(cells, seed)
    sc.pp.neighbors(known, random_state=seed)
    sc.tl.diffmap(known)
    known.uns["iroot"] = root_cell(cells, known.obsm["X_diffmap"][:, 1])
    sc.tl.dpt(known)
    return {"pseudotime": known.obs["dpt_pseudotime"].to_numpy()}


def palantir(cells, seed, folder):
    """Palantir as in its tutorial; terminal states found by itself."""
    import palantir as tool

    known = prepared(cells, seed)
    tool.utils.run_diffusion_maps(known, n_components=5, seed=seed)
    tool.utils.determine_multiscale_space(known)
    first = known.obsm["DM_EigenVectors_multiscaled"]
    root = known.obs_names[root_cell(cells, np.asarray(first)[:, 0])]
    found = tool.core.run_palantir(known, root, num_waypoints=500, n_jobs=1, seed=seed)
    return {"pseudotime": found.pseudotime.to_numpy()}


def root_cell(cells, slowest):
    """Cell that the dataset names; else that of the root's label at the end of a diffusion map."""
    if "root" in cells.uns:
        return int(cells.uns["root"])
    inside = (cells.obs[LABEL] == cells.uns["root_label"]).to_numpy()
    outwards = np.sign(slowest[inside].mean() - slowest[~inside].mean())
    return int(np.flatnonzero(inside)[np.argmax(outwards * slowest[inside])])


def pca(cells, seed, folder):
    return {"embedding": prepared(cells, seed).obsm["X_pca"]}


def harmony(cells, seed, folder):
    import harmonypy

    known = prepared(cells, seed)
    found = harmonypy.run_harmony(known.obsm["X_pca"], cells.obs, BATCH, random_state=seed)
    corrected = np.asarray(found.Z_corr)
    return {"embedding": corrected if len(corrected) == len(cells) else corrected.T}


def trained(cells, seed, folder):
    """Return a model of scVI, which SCANVI starts from too."""
    import scvi as tools

    tools.settings.seed = seed
    known = cells[:, panel(cells)].copy()
    tools.model.SCVI.setup_anndata(known, batch_key=BATCH, labels_key=LABEL)
    kept = folder / "models" / f"scvi.{seed}"
    if kept.exists():
        return tools.model.SCVI.load(kept, known)
    model = tools.model.SCVI(known, **SCVI)
    model.train(max_epochs=at_most_epochs(len(known)), early_stopping=True, **quiet())
    model.save(kept)
    return model


def scvi(cells, seed, folder):
    return {"embedding": trained(cells, seed, folder).get_latent_representation()}


def scanvi(cells, seed, folder):
    import scvi as tools

    model = trained(cells, seed, folder)
    semi = tools.model.SCANVI.from_scvi_model(model, "unlabelled", labels_key=LABEL)
    semi.train(max_epochs=20, n_samples_per_label=100, **quiet())
    return {"embedding": semi.get_latent_representation()}


FAMILIES = {
    "dpt": dpt,
    "palantir": palantir,
    "pca": pca,
    "harmony": harmony,
    "scvi": scvi,
    "scanvi": scanvi,
}


def embeddings(folder):
    """Yield name, seed and embedding of every file that holds one."""
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as found:
            if "embedding" in found:
                name, seed = path.stem.rsplit(".", 1)
                yield name, int(seed), found["embedding"]


def leiden(folder):
    """Clusters of each embedding by scanpy's Leiden on 15 neighbours, at each resolution."""
    for name, seed, embedding in embeddings(folder):
        out = folder / "clusters" / f"{name}.{seed}.npz"
        if out.exists():
            continue
        out.parent.mkdir(exist_ok=True)
        known = anndata.AnnData(embedding.astype(np.float32))
        sc.pp.neighbors(known, use_rep="X", random_state=seed)
        found = {}
        for resolution in RESOLUTIONS:
            sc.tl.leiden(known, resolution, random_state=seed, flavor="igraph", n_iterations=2)
            found[str(resolution)] = known.obs["leiden"].astype(int).to_numpy()
        np.savez(out, **found)


def scib(folder):
    """Scores of scib-metrics: bio-conservation, batch correction and their weighted total."""
    from scib_metrics.benchmark import Benchmarker

    for name, seed, embedding in embeddings(folder):
        out = folder / "scib" / f"{name}.{seed}.json"
        if out.exists():
            continue
        out.parent.mkdir(exist_ok=True)
        cells = anndata.read_h5ad(folder / "cells.h5ad")
        known = prepared(cells, 0)
        known.obsm["found"] = embedding.astype(np.float32)
        scores = Benchmarker(
            known, BATCH, LABEL, ["found"], pre_integrated_embedding_obsm_key="X_pca", n_jobs=1,
            progress_bar=False,
        )  # fmt: skip
        scores.benchmark()
        table = scores.get_results(min_max_scale=False)
        row = {key: float(value) for key, value in table.loc["found"].items()}
        out.write_text(json.dumps(row, indent=1))
        print(folder.name, name, seed, round(row["Total"], 3), flush=True)


def main() -> None:
    family, seed, *folders = sys.argv[1:]
    for folder in map(Path, folders):
        if family in ("leiden", "scib"):
            {"leiden": leiden, "scib": scib}[family](folder)
            continue
        out = folder / f"{family}.{seed}.npz"
        if out.exists():
            continue
        began = time.process_time()
        found = FAMILIES[family](anndata.read_h5ad(folder / "cells.h5ad"), int(seed), folder)
        partial = out.with_suffix(".partial")
        with partial.open("wb") as file:
            np.savez(file, cpu_seconds=time.process_time() - began, **found)
        partial.replace(out)
        print(folder.name, out.stem, f"{time.process_time() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
