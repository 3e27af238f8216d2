"""What a panel of genes can tell on an atlas, before an experiment or a mapping."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.errors import InputError
from cellport.runtime.genes.match import GeneMatch, match_genes
from cellport.runtime.mapping.annotate.corrected import names_or_file
from cellport.runtime.mapping.atlas import Atlas
from cellport.runtime.mapping.genes.information import label_information
from cellport.runtime.mapping.options import MapOptions
from cellport.runtime.mapping.outlook.confusion import Confusion
from cellport.runtime.mapping.outlook.foretold import Foretold, foretell
from cellport.runtime.mapping.outlook.made_cells import can_make
from cellport.runtime.mapping.outlook.merged_labels import merge_labels
from cellport.runtime.mapping.outlook.query_depth import query_depth
from cellport.runtime.mapping.outlook.wanted_genes import wanted_genes

# counts of a droplet cell over the genes of an atlas, where nothing else is said: the libraries of
# the shared datasets have 600 to 1,500
USUAL_DEPTH = 1000.0
WANTED = 10
# share of a label's cells from which another one is named that they are taken for
_MISTAKEN = 0.05


@dataclass(frozen=True, slots=True)
class LabelOutlook:
    """How the cells of a label would fare."""

    label: str
    recall: float  # share that would be given it
    f1: float  # in cells mixed as the reference is
    recall_whole: float  # share that would be, with all genes of the atlas
    # other labels that its made-up cells are given, and their share
    mistaken_for: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class PanelOutlook:
    """What some genes can tell on an atlas, for cells mixed as its reference is.

    Attributes
    ----------
    atlas
        Its name.
    genes
        How many of the atlas's genes are among them.
    n_panel
        Genes of the atlas.
    unknown
        Names among them that the atlas does not read.
    depth
        Counts of a cell over these genes that it is told for.
    information
        Share of what tells labels apart that they hold, 0 to 1.
    accuracy, macro_f1
        Share of right labels, and the mean F1 of the labels.
    accuracy_whole, macro_f1_whole
        The same with all genes of the atlas.
    labels
        In the order of the atlas; those with reference cells.
    merged
        Labels that cannot be told apart, a group each.
    accuracy_merged
        Share of made-up cells with a right label, where those count as one.
    wanted
        Genes whose addition would tell most, the first first.
    """

    atlas: str
    genes: int
    n_panel: int
    unknown: tuple[str, ...]
    depth: float
    information: float
    accuracy: float
    macro_f1: float
    accuracy_whole: float
    macro_f1_whole: float
    labels: tuple[LabelOutlook, ...]
    merged: tuple[tuple[str, ...], ...]
    accuracy_merged: float
    wanted: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """What it comes to, in words."""
        apart = len(self.labels) - sum(len(group) - 1 for group in self.merged)
        return (
            f"At {self.depth:,.0f} counts a cell these {self.genes:,} genes would give "
            f"{self.accuracy:.0%} of the cells the right label (macro-F1 {self.macro_f1:.2f}; with "
            f"all {self.n_panel:,} genes of the atlas {self.accuracy_whole:.0%} and "
            f"{self.macro_f1_whole:.2f}), and tell {apart} of {len(self.labels)} labels apart."
        )


def panel_outlook(
    atlas: Atlas,
    genes: Any,
    *,
    depth: float | None = None,
    wanted: int = WANTED,
    any_organism: bool = False,
) -> PanelOutlook:
    """Tell which labels of an atlas some genes can tell apart, and how well.

    Cells of each label are made up from the atlas's decoder, as these genes would count them, and
    are labelled as those of a query are; so nothing has to be measured yet. What they lose against
    all genes is taken off what was measured on cells that the atlas had not seen.

    Parameters
    ----------
    atlas
        The reference.
    genes
        Names, a ``.txt`` file with one a line, or a query as for `Atlas.map`.
    depth
        Counts of a cell over these genes, the median. That of the query when None; of names, what
        they would have of 1,000 counts over the genes of the atlas.
    wanted
        Most genes to name whose addition would help.
    any_organism
        Take names of genes that look like another organism's.

    Returns
    -------
    PanelOutlook
        How well each label would be told.

    Raises
    ------
    InputError
        None of the genes is one of the atlas's, or its cells cannot be made up.

    Examples
    --------
    >>> panel_outlook(atlas, ["CD3D", "MS4A1", "LYZ"]).macro_f1  # doctest: +SKIP
    """
    can_make(atlas.file)
    if depth is not None and not depth > 0:
        raise InputError(f"The depth must be above 0, not {depth:g}.")
    measured, unknown, of_query = _asked(atlas, genes, any_organism)
    every, caught = np.ones(len(measured), bool), _caught(atlas, measured)
    at = depth or of_query or max(1.0, USUAL_DEPTH * caught)
    of_whole = max(at, at / max(caught, 1e-3))
    found, whole = atlas.confusion(measured, at), atlas.confusion(every, of_whole)
    usual = whole if of_whole >= USUAL_DEPTH else atlas.confusion(every, USUAL_DEPTH)
    said = [foretell(one, usual, atlas.manifest) for one in (found, whole)]
    return _outlook(atlas, measured, unknown, at, found, said, wanted)


def _outlook(
    atlas: Atlas,
    measured: NDArray[np.bool_],
    unknown: Sequence[str],
    depth: float,
    found: Confusion,
    said: Sequence[Foretold],
    wanted: int,
) -> PanelOutlook:
    group, names = merge_labels(found), atlas.manifest.labels
    told = np.flatnonzero(found.given.sum(axis=1) > 0).tolist()
    these, whole = said
    merged = [np.flatnonzero(group == code).tolist() for code in range(int(group.max()) + 1)]
    genes = wanted_genes(atlas.file, measured, found, wanted)
    return PanelOutlook(
        atlas=atlas.manifest.name,
        genes=int(measured.sum()),
        n_panel=len(measured),
        unknown=tuple(unknown),
        depth=float(depth),
        information=label_information(atlas.file, measured),
        accuracy=these.accuracy,
        macro_f1=these.macro_f1,
        accuracy_whole=whole.accuracy,
        macro_f1_whole=whole.macro_f1,
        labels=tuple(_of_label(code, names, found, these, whole) for code in told),
        merged=tuple(tuple(names[one] for one in some) for some in merged if len(some) > 1),
        accuracy_merged=found.merged(group).accuracy,
        wanted=tuple(atlas.panel.names[one] for one in genes.tolist()),
    )


def _of_label(
    code: int, names: Sequence[str], found: Confusion, these: Foretold, whole: Foretold
) -> LabelOutlook:
    given = found.given[code].copy()
    given[code] = 0
    order = np.argsort(-given, kind="stable")
    mistaken = [(names[other], float(given[other])) for other in order if given[other] >= _MISTAKEN]
    recall, of_whole = float(these.recall[code]), float(whole.recall[code])
    return LabelOutlook(names[code], recall, float(these.f1[code]), of_whole, tuple(mistaken))


def _caught(atlas: Atlas, measured: NDArray[np.bool_]) -> float:
    """Share of a cell's counts over the atlas's genes that fall on some of them."""
    mean = np.expm1(atlas.file.array("label_mean").astype(np.float64)).mean(axis=0)
    return float(mean[measured].sum() / mean.sum())


def _asked(
    atlas: Atlas, genes: Any, any_organism: bool
) -> tuple[NDArray[np.bool_], tuple[str, ...], float | None]:
    """Panel genes among those asked for, names that are none, and the depth of a query."""
    names = _names(genes)
    if names is None:
        opened = atlas.prepare(genes, MapOptions(minimum_genes=0, any_organism=any_organism)).query
        try:
            return opened.genes.measured, (), query_depth(opened.source, opened.genes)
        finally:
            opened.source.close()
    match = _matched(atlas, names, any_organism)
    unknown = [name for name, at in zip(names, match.panel_column.tolist(), strict=True) if at < 0]
    return match.measured, tuple(dict.fromkeys(unknown)), None


def _matched(atlas: Atlas, names: Sequence[str], any_organism: bool) -> GeneMatch:
    if not names:
        raise InputError("No gene was named.")
    return match_genes(
        {"genes": np.asarray(names, object)},
        atlas.panel,
        organism=atlas.manifest.organism or None,
        minimum=0,
        any_organism=any_organism,
        source="the list of genes",
    )


def _names(genes: Any) -> tuple[str, ...] | None:
    """Return names of genes; None where it is a query that has them."""
    if isinstance(genes, str | os.PathLike):
        path = os.fspath(genes)
        return names_or_file(path) if path.lower().endswith(".txt") else None
    named = isinstance(genes, Sequence) and all(isinstance(one, str) for one in genes)
    return tuple(genes) if named else None
