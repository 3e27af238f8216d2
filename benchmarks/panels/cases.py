"""References, queries that have few of their genes, and what a platform does to these."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import anndata
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from benchmarks.shared.data import Dataset, codes, load_split, strings
from cellport.train.features.log_normalise import label_means
from cellport.train.reference.panel import select_panel

CORTEX, OSMFISH = Dataset("mouse_cortex_550cells"), Dataset("mouse_cortex_osmfish_33genes")
SPLITS = ("lung Smart-seq2", "PBMC 10x", "Kang stimulated", "cell lines CEL-seq2")
SIZES = (33, 100, 300)
# standard deviation of the logarithm of what a gene is seen with: the genes of osmFISH, beside
# dissociated cells of the same types, have 1.1
PLATFORM = 1.0
_AT_MOST = (3000, 1500)


@dataclass(frozen=True)
class Panel:
    """Cells with ``label`` and ``batch``, and a query with a few of the genes."""

    name: str
    genes: int
    reference: anndata.AnnData
    query: anndata.AnnData


def panels() -> Iterator[Panel]:
    """Yield osmFISH, then splits cut to genes that tell their labels apart.

    Those are drawn from three times as many with the largest differences between the reference's
    labels, as a panel is that was chosen on other cells; and every gene is seen by the platform
    with an efficiency of its own.
    """
    reference, query = (labelled(one.read(), one) for one in (CORTEX, OSMFISH))
    genes = np.isin(query.var_names, reference.var_names)
    yield Panel("cortex, osmFISH", int(genes.sum()), reference, query)
    for name in SPLITS:
        cells, other, dataset = load_split(name, _AT_MOST)
        reference, query = labelled(cells, dataset), labelled(other, dataset)
        telling = _telling(reference)
        for size in SIZES:
            rng = np.random.default_rng(size)
            genes = rng.permutation(telling[: 3 * size])[:size]
            seen = np.exp(rng.normal(0, PLATFORM, size))
            counts = rng.poisson(query.X.tocsr()[:, genes].toarray() * seen).astype(np.float32)
            few = anndata.AnnData(sp.csr_matrix(counts), query.obs, query.var.iloc[genes][[]])
            yield Panel(name, size, reference, few)


def labelled(cells: anndata.AnnData, dataset: Dataset) -> anndata.AnnData:
    cells.obs = cells.obs[[]].assign(
        label=strings(cells, dataset.label), batch=strings(cells, dataset.batch)
    )
    return cells


def _telling(reference: anndata.AnnData) -> NDArray[np.int64]:
    """Genes of the atlas's panel, those with the largest difference between labels first."""
    counts, label = reference.X.tocsr().astype(np.float32), codes(strings(reference, "label"))
    genes = select_panel(counts, codes(strings(reference, "batch")))
    means = label_means(counts[:, genes], label, int(label.max()) + 1, 1e4)
    differences = np.ptp(np.asarray(means), axis=0)
    telling: NDArray[np.int64] = genes[np.argsort(-differences, kind="stable")]
    return telling
