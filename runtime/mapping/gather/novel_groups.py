"""Groups among the cells unlike the atlas, and the genes that set them apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.columns import PROB, MappedBlock
from cellport.runtime.decisions import number, say, whole
from cellport.runtime.genes.match import GeneMatch
from cellport.runtime.mapping.gather.novel_sample import SMALLEST, NovelSample, in_none
from cellport.runtime.mapping.panel_counts import panel_counts

_MARKERS = 10
_CLEAR, _COMMON = number("novel_groups.clear"), number("novel_groups.common")
_NAMED = whole("novel_groups.named")


@dataclass(frozen=True, slots=True)
class NovelGroup:
    """Cells of a query that lie together and look like nothing in the atlas."""

    n_cells: int  # in the group; scaled up where the query has more cells than are looked at
    p: float  # that a group of a known type is so strange, adjusted for the number of groups
    novel: float  # share of its cells that are called novel each on its own
    label: str  # the label most of them got; empty for an atlas without labels
    prob: float  # mean probability of the cells' labels; NaN without labels
    # panel genes that they express and that type does not, and the other way round, the largest
    # difference of mean log1p values first; at most 10 each
    markers: tuple[str, ...]
    lacks: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """The group in plain words."""
        p = say("novel_groups.p", p=self.p) if self.p >= 0.001 else say("novel_groups.p_below")
        novel = say("novel_groups.novel", cells=self.n_cells, p=p, share=self.novel)
        pairs = ("express", self.markers), ("lack", self.lacks)
        told = [say(f"novel_groups.{how}", genes=_named(genes)) for how, genes in pairs if genes]
        differ = " and ".join(told)
        like = say("novel_groups.resembling", label=self.label) if self.label else ""
        if not differ:
            return say("novel_groups.no_gene", novel=novel, resembling=like)
        if self.label:
            return say("novel_groups.unlike_label", novel=novel, resembling=like, differ=differ)
        return say("novel_groups.unlike_average", novel=novel, differ=differ)


class NovelCells(NovelSample):
    """Gathers what groups of novel cells are told with: their genes, too."""

    def __init__(self, atlas: AtlasFile) -> None:
        import scipy.sparse as sp

        n_genes = atlas.manifest.n_genes
        values = sp.csr_matrix((0, n_genes), dtype=np.float32)
        super().__init__(atlas, values=values, prob=np.empty(0, np.float32))
        self.sums["unmeasured"] = np.zeros(n_genes, np.int64)
        self._share = atlas.array("gene_share")

    def add(self, block: MappedBlock, genes: GeneMatch) -> None:
        """Take in a block that carries its counts."""
        self.sums["unmeasured"] += np.where(genes.measured, 0, block.n_cells)
        prob = block.obs.get(PROB, np.zeros(block.n_cells)).astype(np.float32)
        for name, rows in self.entering(block):
            values = panel_counts(block.counts, genes, self._share, rows).log1p()
            counted = {"values": values.astype(np.float32), "prob": prob[rows]}
            self.keep(name, block, rows, **counted)

    def groups(self) -> tuple[NovelGroup, ...]:
        """Find the groups, the largest first, and of equals that of the first cell.

        Those of at least 10 cells that are stranger together than known types of new batches are,
        and those of novel cells among the others, of which there are more than chance makes.
        """
        found = self.found()
        means = self.atlas.array("label_mean")
        usual = in_none(found.rows, len(self.weight))
        usual = usual[usual >= len(self.kept["novel"])]
        shift = np.zeros(means.shape[1])
        if found.rows and len(usual):
            of_label = np.bincount(self.of_cells("label")[usual], minlength=len(means))
            shift = self._mean(usual)[0] - of_label / len(usual) @ means
        each = zip(found.rows, found.p, strict=True)
        return tuple(self._described(rows, p, means, shift) for rows, p in each)

    def cells_of_groups(self) -> tuple[NDArray[np.int64], ...]:
        """Positions in the query of the cells of each of the `groups`, ascending.

        Of a query with more cells than are kept, of those that are.
        """
        return tuple(np.sort(self.position[rows]) for rows in self.found().rows)

    def surest_of_groups(self) -> tuple[NDArray[np.int64], ...]:
        """`cells_of_groups` to learn from: where 10 of them are novel each on its own, those."""
        position, found = self.kept["novel"].position, []
        for rows in self.cells_of_groups():
            novel = rows[np.isin(rows, position)]
            found.append(novel if len(novel) >= SMALLEST else rows)
        return tuple(found)

    def _mean(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Mean value of each gene, and share of the cells that have it, float64 [2, genes]."""
        weight, n_novel = self.weight[rows], len(self.kept["novel"])
        total: Any = 0
        for name, inside in (("novel", rows < n_novel), ("known", rows >= n_novel)):
            values = self.kept[name]["values"][rows[inside] - (name == "known") * n_novel]
            total = total + np.stack([weight[inside] @ one for one in (values, values > 0)])
        return np.asarray(total / weight.sum(), dtype=np.float64)

    def _described(
        self,
        rows: NDArray[np.int64],
        p: float,
        means: NDArray[np.float32],
        shift: NDArray[np.float64],
    ) -> NovelGroup:
        manifest, weight = self.atlas.manifest, self.weight[rows]
        label = int(np.bincount(self.of_cells("label")[rows], weight).argmax())
        value, having = self._mean(rows)
        difference = value - means[label] - shift
        names = manifest.panel.names
        usable = (self.sums["unmeasured"] == 0) & (names != "")
        up = usable & (difference >= _CLEAR) & (having >= _COMMON)
        down = usable & (difference <= -_CLEAR) & (means[label] >= _CLEAR)
        labelled = bool(manifest.labels)
        prob = np.average(self.of_cells("prob")[rows], weights=weight)
        return NovelGroup(
            n_cells=round(weight.sum()),
            p=p,
            novel=float(weight[rows < len(self.kept["novel"])].sum() / weight.sum()),
            label=manifest.labels[label] if labelled else "",
            prob=float(prob) if labelled else float("nan"),
            markers=_first(names, -difference, up),
            lacks=_first(names, difference, down),
        )


def _first(
    names: NDArray[np.object_], order: NDArray[np.float64], chosen: NDArray[np.bool_]
) -> tuple[str, ...]:
    rows = np.flatnonzero(chosen)
    return tuple(names[rows[np.argsort(order[rows], kind="stable")[:_MARKERS]]].tolist())


def _named(genes: tuple[str, ...]) -> str:
    shown = list(genes[:_NAMED])
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
