"""Atlases of known tissue, and queries of which one knows what they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import anndata
import numpy as np
import scipy.sparse as sp

import cellport
from benchmarks.shared.data import KANG, LINES, LUNG, PANCREAS, PAUL, PBMC, Dataset

# what a dataset is made of; of each, every other batch, or cell where there is one, is a reference
TISSUES = {
    "lung": LUNG,
    "blood, three studies": PBMC,
    "blood, Kang": KANG,
    "cord blood": Dataset("cord_blood_500genes"),
    "pancreas": Dataset("human_pancreas_3donors", batch="donor"),
    "cancer lines": LINES,
    "mouse pancreas": Dataset("mouse_pancreas_1mouse"),
    "mouse pancreas, embryonic": PANCREAS,
    "mouse marrow": PAUL,
    "mouse cortex": Dataset("mouse_cortex_550cells"),
}
# the atlases that come along, beside those trained here
SHIPPED = {
    f"{name}, shipped": name for name in ("lung", "blood", "pancreas", "mouse-pancreas", "human")
}
# it holds three tissues: right for each, and counted apart from atlases of the tissue alone
GENERAL = "human, shipped"
# atlases of the same tissue, any of which is right
ALIKE = (
    frozenset({"blood, three studies", "blood, Kang", "blood, shipped", GENERAL}),
    frozenset({"lung", "lung, shipped", GENERAL}),
    frozenset({"pancreas", "pancreas, shipped", GENERAL}),
    frozenset({"mouse pancreas, embryonic", "mouse-pancreas, shipped"}),
)
# atlases that were trained on some of a query's cells, beside those that come along: its studies
# are parts of two datasets, or of the other half too
SEEN = {"blood, three studies": {"blood, Kang"}, "blood, all genes": {"blood, three studies"}}
MODELS = ("CD4vCD8vGDvNK_v2.pkl", "RIRA_Immune_v2.pkl", "RIRA_TNK_v2.pkl")
DEPTH, _MOST, _GENES = 1000, 3000, 1000


@dataclass(frozen=True)
class RankedQuery:
    """Cells, and the atlases that are right for them."""

    name: str
    tissue: str
    cells: anndata.AnnData

    def may_know(self, atlas: str) -> bool:
        """Whether an atlas was trained on some of these cells."""
        query = self.name.removesuffix(f", {DEPTH:,} counts")
        return atlas in SHIPPED or atlas in SEEN.get(query, ())

    @property
    def right(self) -> frozenset[str]:
        """Names of the atlases of its tissue."""
        for group in ALIKE:
            if self.tissue in group:
                return group
        return frozenset({self.tissue})


def atlases(cache: Path, models: Path) -> dict[str, str]:
    """Train, convert and name the atlases: what they are called here, and their paths or names."""
    cache.mkdir(parents=True, exist_ok=True)
    found = dict(SHIPPED)
    for tissue, dataset in TISSUES.items():
        path = cache / f"{tissue.replace(', ', '_').replace(' ', '_')}.cellport"
        if not path.exists():
            cells = halves(dataset)[0]
            cellport.train_atlas(
                cells, path, labels=dataset.label, batch="half_batch", n_genes=_GENES, name=tissue
            )
            print(f"trained {tissue}", flush=True)
        found[tissue] = str(path)
    for model in MODELS:
        path = cache / f"{Path(model).stem}.cellport"
        if not path.exists():
            cellport.convert_model(models / model, path)
        found[path.stem] = str(path)
    return found


def queries() -> Iterator[RankedQuery]:
    """Yield the other half of each dataset, as it is and with 1,000 counts a cell."""
    for tissue, dataset in TISSUES.items():
        cells = halves(dataset)[1]
        yield RankedQuery(tissue, tissue, cells)
        shallow = cells.copy()
        shallow.X = _thinned(cells.X.tocsr(), DEPTH)
        yield RankedQuery(f"{tissue}, {DEPTH:,} counts", tissue, shallow)
    pbmc3k = Dataset("pbmc3k_10x").read()
    yield RankedQuery("blood, all genes", "blood, three studies", pbmc3k)


def halves(dataset: Dataset) -> tuple[anndata.AnnData, anndata.AnnData]:
    """Split by batches, or by cells where there is one; at most 3,000 cells each."""
    cells = dataset.read()
    has_batches = dataset.batch in cells.obs and cells.obs[dataset.batch].nunique() > 1
    batch = cells.obs[dataset.batch].astype(str) if has_batches else None
    if batch is None:
        second = np.random.default_rng(0).random(cells.n_obs) < 0.5
        cells.obs["half_batch"] = "all"
    else:
        names = sorted(batch.unique())
        second = batch.isin(names[1::2]).to_numpy()
        cells.obs["half_batch"] = batch.to_numpy()
    return _some(cells[~second]), _some(cells[second])


def _some(cells: anndata.AnnData) -> anndata.AnnData:
    rows = np.random.default_rng(1).permutation(cells.n_obs)[:_MOST]
    return cells[np.sort(rows)].copy()


def _thinned(counts: sp.csr_matrix, depth: int) -> sp.csr_matrix:
    thin = counts.astype(np.float32)
    library = np.asarray(thin.sum(axis=1)).ravel()
    kept = np.repeat(np.minimum(1, depth / np.maximum(library, 1)), np.diff(thin.indptr))
    whole = np.rint(thin.data).astype(np.int64)
    thin.data = np.random.default_rng(depth).binomial(whole, kept).astype(np.float32)
    thin.eliminate_zeros()
    return thin
