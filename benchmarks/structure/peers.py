"""Order, embed and cluster cells with other tools.

    python -m benchmarks.structure.peers FAMILY SEED FOLDER ...

Run by ``benchmarks.structure`` in an environment of its own with scanpy, palantir, scvi-tools,
harmonypy and scib-metrics; imports nothing of cellport. A folder holds ``cells.h5ad``: counts,
``label`` and ``batch`` in ``obs``, the gene panel in ``var``, and for trajectories the position of
a root cell in ``uns``. It gets ``FAMILY.SEED.npz`` with ``pseudotime`` or ``embedding``. The family
``leiden`` clusters every embedding that the folder holds at many resolutions, and ``scib`` scores
these embeddings.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import anndata
import numpy as np
import scanpy as sc

from benchmarks.shared import peer_tools as tools
from benchmarks.shared.peer_tools import BATCH, LABEL, N_COMPONENTS

RESOLUTIONS = (0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 1.4, 2.0)


def prepared(cells, seed):
    """Log counts of the panel, and their principal components."""
    known = tools.log_panel(cells)
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
    import palantir

    known = prepared(cells, seed)
    palantir.utils.run_diffusion_maps(known, n_components=5, seed=seed)
    palantir.utils.determine_multiscale_space(known)
    first = known.obsm["DM_EigenVectors_multiscaled"]
    root = known.obs_names[root_cell(cells, np.asarray(first)[:, 0])]
    found = palantir.core.run_palantir(known, root, num_waypoints=500, n_jobs=1, seed=seed)
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
    import scvi

    known = tools.scvi_cells(cells, seed)
    kept = folder / "models" / f"scvi.{seed}"
    if kept.exists():
        return scvi.model.SCVI.load(kept, known)
    model = tools.trained_scvi(known)
    model.save(kept)
    return model


def scvi(cells, seed, folder):
    return {"embedding": trained(cells, seed, folder).get_latent_representation()}


def scanvi(cells, seed, folder):
    import scvi

    model = trained(cells, seed, folder)
    semi = scvi.model.SCANVI.from_scvi_model(model, "unlabelled", labels_key=LABEL)
    semi.train(max_epochs=20, n_samples_per_label=100, **tools.quiet())
    return {"embedding": semi.get_latent_representation()}


FAMILIES = {made.__name__: made for made in (dpt, palantir, pca, harmony, scvi, scanvi)}


def to_judge(folder, by, suffix):
    """Yield of every embedding that is not judged yet: where to write it, its seed, and itself."""
    (folder / by).mkdir(exist_ok=True)
    for path in sorted(folder.glob("*.npz")):
        out = folder / by / f"{path.stem}{suffix}"
        with np.load(path) as found:
            if "embedding" in found and not out.exists():
                yield out, int(path.stem.rsplit(".", 1)[1]), found["embedding"]


def leiden(folder):
    """Clusters of each embedding by scanpy's Leiden on 15 neighbours, at each resolution."""
    for out, seed, embedding in to_judge(folder, "clusters", ".npz"):
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

    for out, _, embedding in to_judge(folder, "scib", ".json"):
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
        print(folder.name, out.stem, round(row["Total"], 3), flush=True)


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
