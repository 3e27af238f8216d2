"""Groups among the cells unlike the atlas, and the genes that set them apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.atlas.trajectory import LIBRARY
from cellport.runtime.base.bottom_k import spread_out
from cellport.runtime.columns import MappedBlock
from cellport.runtime.errors import AtlasError
from cellport.runtime.genes.match import GeneMatch
from cellport.runtime.genes.panel import Panel

if TYPE_CHECKING:
    import scipy.sparse as sp

MOST_NOVEL = 10_000
MOST_KNOWN = 5_000
SMALLEST_GROUP = 10
# a marker differs by so much in mean log1p value, and where it is up, so many cells have it
_CLEAR = 0.5
_COMMON = 0.25
_MARKERS = 10
_NAMED = 4
# linkage is quadratic in memory
_MOST_LINKED = 2_000
# groups are one when their cells lie closer, in distances between neighbouring types, than this
_APART = 0.7


@dataclass(frozen=True, slots=True)
class NovelGroup:
    """Cells of a query that look like nothing in the atlas and like each other.

    Attributes
    ----------
    n_cells
        In the group; scaled up where the query has more novel cells than are looked at.
    label
        The label most of them got; empty for an atlas without labels.
    prob
        Mean probability of the cells' labels; NaN without labels.
    markers, lacks
        Panel genes that they express and that type does not, and the other way round, the
        largest difference of mean log1p values first; at most 10 each.
    """

    n_cells: int
    label: str
    prob: float
    markers: tuple[str, ...]
    lacks: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """The group in plain words."""
        text = f"{self.n_cells:,} cells look like nothing in the atlas"
        differ = [f"express {_named(self.markers)}"] if self.markers else []
        differ += [f"lack {_named(self.lacks)}"] if self.lacks else []
        like = f"; they resemble {self.label}" if self.label else ""
        if not differ:
            return f"{text}{like}, and no single gene sets them apart."
        if self.label:
            return f"{text}{like} but {' and '.join(differ)}."
        return f"{text}; unlike its average cell, they {' and '.join(differ)}."


class NovelCells:
    """Gathers the novel cells of a mapping, and some of the others to compare them with.

    Of each kind, the cells whose positions have the smallest hashes are kept, so memory is
    bounded and the choice does not depend on the size of the blocks.

    Parameters
    ----------
    atlas
        The open atlas.
    """

    def __init__(self, atlas: AtlasFile) -> None:
        self._atlas = atlas
        self._share = atlas.array("gene_share")
        self._measured = np.ones(atlas.manifest.n_genes, np.bool_)
        self._cells = np.zeros(max(1, len(atlas.manifest.labels)), np.int64)
        self._novel_cells = np.zeros_like(self._cells)
        width = atlas.manifest.n_latent
        self._novel = _Kept(MOST_NOVEL, atlas.manifest.n_genes, width)
        self._known = _Kept(MOST_KNOWN, atlas.manifest.n_genes, width)

    def add(self, block: MappedBlock, genes: GeneMatch) -> None:
        """Take in a block that carries its counts.

        Parameters
        ----------
        block
            Mapped, with ``counts``.
        genes
            Which genes of its query feed the panel.
        """
        import scipy.sparse as sp

        if block.counts is None:
            raise ValueError("the block does not carry its counts")
        self._measured &= genes.measured
        counts = block.counts
        shape = counts.n_cells, len(genes.panel_column)
        every = sp.csr_matrix((counts.data, counts.indices, counts.indptr), shape)
        labelled = bool(self._atlas.manifest.labels)
        label = block.obs["cellport_label"] if labelled else np.zeros(block.n_cells, np.int32)
        counted = label < len(self._cells)
        novel = block.obs["cellport_novel"]
        self._cells += np.bincount(label[counted], minlength=len(self._cells))
        self._novel_cells += np.bincount(label[counted & novel], minlength=len(self._cells))
        scale = LIBRARY * float(self._share[genes.measured].sum())
        for kept, rows in ((self._novel, novel & counted), (self._known, ~novel & counted)):
            kept.add(block, np.flatnonzero(rows), label, every, genes.panel_column, scale)

    def groups(self) -> tuple[NovelGroup, ...]:
        """Find the groups, the largest first.

        A group has at least 10 cells, and twice as many as the false-novel rate alone would
        yield among cells with its labels.

        Raises
        ------
        AtlasError
            The atlas's label profiles do not fit its genes.
        """
        manifest = self._atlas.manifest
        means = self._atlas.array("label_mean")
        if means.shape != (len(self._cells), manifest.n_genes):
            raise AtlasError(
                f"{self._atlas.path.name}: its label profiles do not fit its labels and genes; "
                "get the atlas again."
            )
        novel, known = self._novel, self._known
        if len(novel.label) < SMALLEST_GROUP:
            return ()
        group = group_latents(novel.latent, type_distance(self._atlas))
        shift = np.zeros(manifest.n_genes)
        if len(known.label):
            of_label = np.bincount(known.label, minlength=len(means)) / len(known.label)
            shift = np.asarray(known.values.mean(axis=0)).ravel() - of_label @ means
        chance = manifest.thresholds["novelty_p"] * self._cells / np.maximum(self._novel_cells, 1)
        scale = self._novel_cells.sum() / len(novel.label)
        found = []
        for code in range(group.max() + 1):
            rows = np.flatnonzero(group == code)
            expected = float(chance[novel.label[rows]].sum())
            if len(rows) >= SMALLEST_GROUP and len(rows) > 2 * expected:
                found.append(self._described(rows, means, shift, scale))
        return tuple(sorted(found, key=lambda one: -one.n_cells))

    def _described(
        self,
        rows: NDArray[np.int64],
        means: NDArray[np.float32],
        shift: NDArray[np.float64],
        scale: float,
    ) -> NovelGroup:
        manifest = self._atlas.manifest
        values = self._novel.values[rows]
        label = int(np.bincount(self._novel.label[rows]).argmax())
        difference = np.asarray(values.mean(axis=0)).ravel() - means[label] - shift
        having = np.asarray((values > 0).mean(axis=0)).ravel()
        names = Panel(manifest.symbols, manifest.ensembl).names
        usable = self._measured & (names != "")
        up = usable & (difference >= _CLEAR) & (having >= _COMMON)
        down = usable & (difference <= -_CLEAR) & (means[label] >= _CLEAR)
        labelled = bool(manifest.labels)
        return NovelGroup(
            n_cells=round(len(rows) * scale),
            label=manifest.labels[label] if labelled else "",
            prob=float(self._novel.prob[rows].mean()) if labelled else float("nan"),
            markers=_first(names, -difference, up),
            lacks=_first(names, difference, down),
        )


def group_latents(latent: NDArray[np.float32], distance: float) -> NDArray[np.int64]:
    """Group cells whose latents lie closer together than neighbouring types do.

    Parameters
    ----------
    latent
        float32 [n, latent].
    distance
        Between neighbouring types of the reference, from `type_distance`.

    Returns
    -------
    ndarray
        int64 [n], group of each cell: average linkage of up to 2,000 of them, cut at 0.7 of the
        distance; the others join the nearest centre.
    """
    from scipy.cluster.hierarchy import fcluster, linkage

    if len(latent) < 2:
        return np.zeros(len(latent), np.int64)
    linked = latent[:: -(-len(latent) // _MOST_LINKED)].astype(np.float64)
    code = fcluster(linkage(linked, "average"), _APART * distance, "distance") - 1
    if len(linked) == len(latent):
        return np.asarray(code, dtype=np.int64)
    centres = np.stack([linked[code == one].mean(axis=0) for one in range(code.max() + 1)])
    apart = (centres**2).sum(axis=1) - 2 * latent.astype(np.float64) @ centres.T
    return np.asarray(apart.argmin(axis=1), dtype=np.int64)


def type_distance(atlas: AtlasFile) -> float:
    """Median distance in the latent from the centre of a type to the nearest other one.

    With fewer than two types it is the root mean square distance of the cells to their middle.
    """
    latent = atlas.array("reference_latent").astype(np.float64)
    label = atlas.array("reference_label") if atlas.has_array("reference_label") else np.array([-1])
    types = np.unique(label[label >= 0])
    if len(types) < 2:
        return float(np.sqrt(((latent - latent.mean(axis=0)) ** 2).sum(axis=1).mean()))
    n_cells = np.bincount(label[label >= 0])[types]
    total = [np.bincount(label[label >= 0], column[label >= 0])[types] for column in latent.T]
    centres = (np.array(total) / n_cells).T
    square = (centres**2).sum(axis=1)
    apart = square[:, np.newaxis] + square - 2 * centres @ centres.T
    np.fill_diagonal(apart, np.inf)
    return float(np.sqrt(np.maximum(np.median(apart.min(axis=1)), 0)))


class _Kept:
    """The cells of one kind with the smallest hashes so far."""

    def __init__(self, most: int, n_genes: int, n_latent: int) -> None:
        import scipy.sparse as sp

        self._most = most
        self._hash = np.empty(0, np.uint64)
        self.values = sp.csr_matrix((0, n_genes), dtype=np.float32)
        self.latent = np.empty((0, n_latent), np.float32)
        self.label = np.empty(0, np.int64)
        self.prob = np.empty(0, np.float32)

    def add(
        self,
        block: MappedBlock,
        rows: NDArray[np.int64],
        label: NDArray[np.int32],
        every: sp.csr_matrix,
        panel_column: NDArray[np.int32],
        scale: float,
    ) -> None:
        import scipy.sparse as sp

        hashed = spread_out(block.start + rows)
        if len(self._hash) == self._most:
            rows, hashed = rows[hashed < self._hash[-1]], hashed[hashed < self._hash[-1]]
        if not len(rows):
            return
        values = panel_values(every[rows], panel_column, self.values.shape[1], scale)
        joined = np.concatenate([self._hash, hashed])
        best = np.argsort(joined)[: self._most]
        self._hash = joined[best]
        self.values = sp.vstack([self.values, values], format="csr")[best]
        self.latent = np.concatenate([self.latent, block.obsm["X_cellport"][rows]])[best]
        self.label = np.concatenate([self.label, label[rows].astype(np.int64)])[best]
        prob = block.obs.get("cellport_prob", np.zeros(block.n_cells, np.float32))
        self.prob = np.concatenate([self.prob, prob[rows]])[best]


def panel_values(
    counts: sp.csr_matrix, panel_column: NDArray[np.int32], n_genes: int, scale: float
) -> sp.csr_matrix:
    """Log-normalise counts over the panel genes of a query, as the encoder does.

    Parameters
    ----------
    counts
        CSR [n, query genes], raw counts.
    panel_column
        int32 [query genes], position in the panel or -1.
    n_genes
        Of the panel.
    scale
        Counts per cell after normalisation: those of the atlas, times the share of a reference
        cell's counts that the measured genes hold.
    """
    import scipy.sparse as sp

    used = np.flatnonzero(panel_column >= 0)
    ones = np.ones(len(used), np.float32)
    place = sp.csr_matrix((ones, (used, panel_column[used])), (len(panel_column), n_genes))
    values = (counts @ place).tocsr()
    values.sum_duplicates()
    library = np.maximum(np.asarray(values.sum(axis=1)).ravel(), 1e-6)
    values.data = np.log1p(values.data * np.repeat(scale / library, np.diff(values.indptr)))
    return values.astype(np.float32)


def _first(
    names: NDArray[np.object_], order: NDArray[np.float64], chosen: NDArray[np.bool_]
) -> tuple[str, ...]:
    rows = np.flatnonzero(chosen)
    return tuple(names[rows[np.argsort(order[rows], kind="stable")[:_MARKERS]]].tolist())


def _named(genes: tuple[str, ...]) -> str:
    shown = list(genes[:_NAMED])
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
