"""Some cells of each label, with their counts, to tell afterwards which genes spoke for it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.base.bottom_k import BottomK
from cellport.runtime.base.processors import available_threads, small_products
from cellport.runtime.columns import LABEL, MappedBlock
from cellport.runtime.decisions import whole
from cellport.runtime.genes.match import GeneMatch
from cellport.runtime.mapping.explain.counted import CountedCells, count_cells
from cellport.runtime.mapping.explain.evidence import Explainer
from cellport.runtime.mapping.explain.genes import LabelReasons, reasons_of_type
from cellport.runtime.mapping.gather.gatherer import Gatherer

OF_LABEL, _OF_ALL = whole("explain.cells_of_label"), whole("explain.cells_of_all")
_FEWEST = whole("explain.fewest_cells")
# gradients along the way of each cell, half of what single cells get: of 26 labels of the two
# shipped atlases, each names the same ten genes
_STEPS = 32
# labels at a time on machines of many processors: each keeps up to 140 MB of gradients
_TOGETHER = 4


class LabelGenes(Gatherer):
    """Keeps the cells of each label whose positions have the smallest hashes."""

    def __init__(self, atlas: AtlasFile) -> None:
        self._explainer = Explainer(atlas, _STEPS)
        n_labels = len(atlas.manifest.labels)
        self.sums = {"cells": np.zeros(n_labels, np.int64)}
        most = min(OF_LABEL, max(_FEWEST, _OF_ALL // max(1, n_labels)))
        n_genes = atlas.manifest.n_genes
        self.kept = {f"label{code}": _no_cells(most, n_genes) for code in range(n_labels)}

    def add(self, block: MappedBlock, genes: GeneMatch) -> None:
        """Take in a block that carries its counts; cells without any are of no label."""
        label, n_labels = block.obs[LABEL], len(self.sums["cells"])
        self.sums["cells"] += np.bincount(label, minlength=n_labels)[:n_labels]
        for code in np.unique(label[label < n_labels]).tolist():
            kept, rows = self.kept[f"label{code}"], np.flatnonzero(label == code)
            rows = rows[kept.entering(block.start + rows)]
            if len(rows):
                cells = count_cells(block.counts, genes, rows)
                kept.add(
                    block.start + rows,
                    counts=cells.counts,
                    library=cells.query_library,
                    unmeasured=cells.unmeasured,
                )

    def reasons(self, most: int, labels: tuple[str, ...] = ()) -> tuple[LabelReasons, ...]:
        """Genes that spoke for each label that cells have, the most common label first.

        At most so many of each; of these labels alone where some are named.

        Raises
        ------
        AtlasError
            The network cannot be followed back to the genes.
        """
        names, cells = self._explainer.atlas.manifest.labels, self.sums["cells"]
        order = np.argsort(-cells, kind="stable").tolist()
        asked = [code for code in order if not labels or names[code] in labels]
        threads = min(available_threads(), _TOGETHER)
        with small_products(), ThreadPoolExecutor(threads) as pool:
            found = pool.map(lambda code: self._of_label(code, most), asked)
            return tuple(one for one in found if one is not None)

    def _of_label(self, code: int, most: int) -> LabelReasons | None:
        kept = self.kept[f"label{code}"]
        counted = CountedCells(kept["counts"], kept["library"], kept["unmeasured"])
        full = np.flatnonzero(np.asarray(counted.counts.sum(axis=1)).ravel() > 0)
        if len(full) < _FEWEST:
            return None
        return reasons_of_type(self._explainer, counted.take(full), code, most)


def _no_cells(most: int, n_genes: int) -> BottomK:
    import scipy.sparse as sp

    return BottomK(
        most,
        counts=sp.csr_matrix((0, n_genes), dtype=np.float32),
        library=np.empty(0, np.float64),
        unmeasured=np.empty((0, -(-n_genes // 8)), np.uint8),
    )
