"""Label queries with other tools, as their documentation does it.

    python -m benchmarks.accuracy.peers FAMILY SEED JOB ...

Run by ``benchmarks.accuracy`` in an environment of its own with scanpy, scvi-tools, symphonypy,
harmonypy, celltypist and pynndescent below 0.6; imports nothing of cellport. A job is
``FOLDER=condition,condition``: the folder holds ``reference.h5ad`` (label, batch, and the gene
panel in ``var``) and ``condition.h5ad`` files, and gets ``predictions/*.json``. Seconds are those
of the processor, without imports and files.

Each family is a generator of ``(method, map, note)``: what it computes before a yield is the
building of that method. ``map(query)`` returns a matrix of probabilities [cells, labels], the
labels of its columns, and a note. Genes that a query lacks are zero counts to a tool, unless the
tool has an answer of its own: CellTypist leaves their weights out, symphonypy takes them as the
mean. What these two say when the genes are zero instead is reported too, as ``NAME (zeros)``; the
families in ``REFITTED`` are also built anew on the genes that a query has, as ``NAME (refitted)``.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import anndata
import numpy as np
import scanpy as sc
import scipy.sparse as sp

from benchmarks.shared import peer_tools as tools
from benchmarks.shared.peer_tools import BATCH, LABEL, N_COMPONENTS, N_NEIGHBORS

UNKNOWN = "unknown"
SURGERY = {**tools.ZERO_SHOT, "encode_covariates": True, "dropout_rate": 0.2}


def logistic(reference, seed):
    """L2 logistic regression on standardised log counts."""
    from sklearn.linear_model import LogisticRegression

    scale, genes = scaling(reference)
    model = LogisticRegression(C=0.01, max_iter=500, random_state=seed)
    model.fit(scale(reference), reference.obs[LABEL])

    def label(query):
        return model.predict_proba(scale(padded(query, genes))), model.classes_, {}

    yield "logistic regression", label, {}


def pca_knn(reference, seed):
    """Nearest neighbours among standardised log counts on 30 principal components."""
    from sklearn.decomposition import PCA

    scale, genes = scaling(reference)
    pca = PCA(N_COMPONENTS, random_state=seed)
    vote = neighbors(pca.fit_transform(scale(reference)), reference.obs[LABEL])

    def label(query):
        return (*vote(pca.transform(scale(padded(query, genes)))), {})

    yield "PCA + kNN", label, {}


def celltypist(reference, seed):
    """CellTypist's default model on the panel, best match, no majority voting."""
    import celltypist

    model = tools.celltypist_model(reference)

    def label(query):
        found = celltypist.annotate(tools.log_counts(query), model=model).probability_matrix
        return found.to_numpy(), found.columns, {}

    yield "CellTypist", label, {}


def symphony(reference, seed):
    """PCA and Harmony of the reference; query corrected for its batches; votes of 5 neighbours."""
    import symphonypy

    known = tools.harmony_reference(reference, seed, seed)
    vote = neighbors(known.obsm["X_pca_harmony"], known.obs[LABEL], 5, "uniform")

    def label(query):
        cells = tools.log_counts(query)
        symphonypy.tl.map_embedding(cells, known, key=BATCH)
        return (*vote(np.nan_to_num(cells.obsm["X_pca_harmony"])), {})

    yield "symphonypy", label, {}


def ingest(reference, seed):
    """``scanpy.tl.ingest``; the probability is the share of its neighbours with the label."""
    import pandas as pd
    from scanpy.tools._ingest import Ingest

    known = tools.log_panel(reference)
    sc.pp.pca(known, n_comps=N_COMPONENTS, random_state=seed)
    sc.pp.neighbors(known, n_neighbors=N_NEIGHBORS, random_state=seed)
    ingested = Ingest(known)
    of_neighbor = pd.get_dummies(known.obs[LABEL].astype(str))

    def label(query):
        cells = tools.log_counts(padded(query, reference.var_names))
        ingested.fit(cells[:, known.var_names].copy())
        ingested.map_embedding("pca")
        ingested.neighbors()
        votes = of_neighbor.to_numpy(float)[ingested._indices]
        return votes.mean(axis=1), of_neighbor.columns, {}

    yield "scanpy ingest", label, {}


def scvi_zero_shot(reference, seed):
    """Zero-shot scVI, whose encoder does not see the batch, so that a query needs no training."""
    known = tools.scvi_cells(reference, seed)
    model = tools.trained_scvi(known, **tools.ZERO_SHOT)
    vote = neighbors(model.get_latent_representation(), known.obs[LABEL])

    def label(query):
        cells = padded(query, reference.var_names)[:, known.var_names].copy()
        cells.obs[BATCH] = known.obs[BATCH].iloc[0]
        return (*vote(model.get_latent_representation(cells)), {})

    yield "scVI + kNN", label, {"epochs": epochs(model)}


def surgery(reference, seed):
    """Architectural surgery of scVI and SCANVI: weights of new batches are trained on the query."""
    import scvi

    known = tools.scvi_cells(reference, seed)
    model = tools.trained_scvi(known, **SURGERY)
    vote = neighbors(model.get_latent_representation(), known.obs[LABEL])

    def by_scvi(query):
        mapped = scvi.model.SCVI.load_query_data(new_batches(query), model)
        mapped.train(max_epochs=200, plan_kwargs={"weight_decay": 0.0}, **tools.quiet())
        return (*vote(mapped.get_latent_representation()), {"map_epochs": 200})

    def new_batches(query):
        cells = padded(query, reference.var_names)[:, known.var_names].copy()
        cells.obs[LABEL] = UNKNOWN
        return cells

    yield "scVI surgery + kNN", by_scvi, {"epochs": epochs(model)}

    semi = scvi.model.SCANVI.from_scvi_model(model, unlabeled_category=UNKNOWN, labels_key=LABEL)
    semi.train(n_samples_per_label=100, **tools.quiet())

    def by_scanvi(query):
        mapped = scvi.model.SCANVI.load_query_data(new_batches(query), semi)
        mapped.train(max_epochs=100, plan_kwargs={"weight_decay": 0.0}, **tools.quiet())
        found = mapped.predict(soft=True)
        return found.to_numpy(), found.columns, {"map_epochs": 100}

    yield "SCANVI surgery", by_scanvi, {"epochs": epochs(model) + epochs(semi)}


def epochs(model):
    return model.trainer.current_epoch


def neighbors(space, label, k=N_NEIGHBORS, weights="distance"):
    """Return a function from positions to votes and the labels that these columns stand for."""
    from sklearn.neighbors import KNeighborsClassifier

    model = KNeighborsClassifier(k, weights=weights).fit(space, label.astype(str))
    return lambda query: (model.predict_proba(query), model.classes_)


def scaling(reference):
    """Return a function to standardised log counts of the panel, and the genes it expects."""
    chosen = tools.panel(reference)
    values = tools.log_counts(reference)[:, chosen].X.toarray()
    mean, sd = values.mean(0), values.std(0) + 1e-6

    def scale(cells):
        return np.clip((tools.log_counts(cells)[:, chosen].X.toarray() - mean) / sd, -10, 10)

    return scale, reference.var_names


def padded(query, genes):
    """Give the query all `genes`; those it lacks are zero."""
    if len(query.var_names) == len(genes):
        return query
    rows = np.arange(query.n_vars)
    place = (np.ones(query.n_vars, np.float32), (rows, genes.get_indexer(query.var_names)))
    onto = sp.csr_matrix(place, shape=(query.n_vars, len(genes)))
    filled = anndata.AnnData((query.X @ onto).tocsr(), query.obs.copy())
    filled.var_names = genes
    return filled


FAMILIES = {
    "logistic": logistic,
    "pca": pca_knn,
    "celltypist": celltypist,
    "symphony": symphony,
    "ingest": ingest,
    "scvi": scvi_zero_shot,
    "surgery": surgery,
}
TRAINED = ("scvi", "surgery")
REFITTED = ("logistic", "pca", "celltypist", "symphony")
OWN_ANSWER = ("celltypist", "symphony")


def main() -> None:
    family, seed, *jobs = sys.argv[1:]
    warm_up(family, Path(jobs[0].rsplit("=", 1)[0]))
    for job in jobs:
        folder, conditions = job.rsplit("=", 1)
        run(family, int(seed), Path(folder), conditions.split(","))


def warm_up(family, folder) -> None:
    """Import and compile what the family needs, so that the first run is timed like others."""
    if family in TRAINED:
        import scvi  # noqa: F401

        return
    query = anndata.read_h5ad(folder / "full.h5ad")
    for _, label, _ in FAMILIES[family](anndata.read_h5ad(folder / "reference.h5ad"), 0):
        label(query)


def run(family, seed, folder, conditions) -> None:
    reference = anndata.read_h5ad(folder / "reference.h5ad")
    queries = {name: anndata.read_h5ad(folder / f"{name}.h5ad") for name in conditions}
    build_and_map(family, reference, queries, seed, folder)
    lacking = {name: q for name, q in queries.items() if q.n_vars < reference.n_vars}
    if family in OWN_ANSWER and lacking:
        zeros = {name: padded(q, reference.var_names) for name, q in lacking.items()}
        build_and_map(family, reference, zeros, seed, folder, " (zeros)")
    for n_genes in {q.n_vars for q in lacking.values()} if family in REFITTED else ():
        same = {name: q for name, q in lacking.items() if q.n_vars == n_genes}
        one = next(iter(same.values()))
        smaller = reference[:, one.var_names].copy()
        smaller.var[tools.PANEL] = one.var[tools.PANEL]
        build_and_map(family, smaller, same, seed, folder, " (refitted)")


def build_and_map(family, reference, queries, seed, folder, suffix="") -> None:
    models, build = FAMILIES[family](reference, seed), 0.0
    while True:
        began = time.process_time()
        made = next(models, None)
        build += time.process_time() - began
        if made is None:
            return
        method, label, note = made
        for condition, query in queries.items():
            began = time.process_time()
            prob, labels, how = label(query.copy())
            seconds = {"build": build, "map": time.process_time() - began}
            out = folder / "predictions" / f"{method}{suffix}.{seed}.{condition}.json"
            write(out, prob, labels, {**note, **how, "cpu_seconds": seconds})
            print(folder.name, out.stem, f"{seconds['build']:.1f} {seconds['map']:.2f}", flush=True)


def write(out, prob, labels, note) -> None:
    prob = np.nan_to_num(prob)
    names = np.asarray(labels, dtype=object)[prob.argmax(axis=1)]
    found = {**note, "label": [str(n) for n in names], "prob": prob.max(axis=1).round(5).tolist()}
    tools.write_json(out, found)


if __name__ == "__main__":
    main()
