"""The parts of a report about the trajectory: the path, the fates, and genes along it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.trajectory import (
    Direction,
    LineageGene,
    Trajectory,
    gene_changes,
    log_level,
)
from cellport.runtime.mapping.gather.lineage_counts import FEWEST_CELLS
from cellport.runtime.report.charts import Dots, Place, row_bar, scatter
from cellport.runtime.report.contents import Contents
from cellport.runtime.report.markup import (
    counted,
    details,
    name,
    names,
    number,
    paragraph,
    percent,
    section,
    table,
)
from cellport.runtime.report.path_charts import (
    TIMES,
    Ways,
    along_edge,
    figures,
    gene_curve,
    time_key,
)
from cellport.runtime.report.path_collect import BOUND, PathFindings

_EDGES = 12
_LINEAGES = 6
_GENES = 12
_MOST = 60
_COURSE: dict[Direction, str] = {
    "up": "rises",
    "down": "falls",
    "peak": "peaks on the way",
    "dip": "dips on the way",
}
_FOLLOWS, _ROUGHLY = 0.8, 0.4


def path_section(c: Contents) -> str:
    """Where the cells lie on the atlas's trajectory, and what they are bound for."""
    path = c.path
    if path is None or not path.edges or not c.findings.n_cells:
        return ""
    return section(
        "path",
        "Where the cells lie on the path",
        paragraph(
            f"{_course(c.trajectory)}Pseudotime says how far along a cell is: 0 where the path "
            "starts, 1 at its far end. It orders cells by what they express. It is no clock, and "
            "no proof that one cell turns into the next."
        ),
        paragraph(_how_many(path, c.findings.n_cells)),
        _map(c),
        "<h3>How far along each part of the path</h3>",
        *_edges(c),
        _fates(c),
    )


def lineage_genes_section(c: Contents) -> str:
    """Genes that change most along each lineage, in the atlas and in the query."""
    found, query = c.trajectory, c.query_lineages
    if found is None or c.path is None or not c.path.edges:
        return ""
    ours = (
        "Dots are your cells, from their own counts, at the same place of the path"
        if query is not None
        else "Your cells’ own counts were not at hand for this page"
    )
    freed = ", freed from its batches" if len(c.manifest.batches) > 1 else ""
    parts = []
    for code, terminal in enumerate(found.terminals[:_MOST]):
        heading = f"<h3>From {names(_roots_of(found, code))} to {name(terminal)}</h3>"
        parts.append(heading + _genes_of(c, found, code))
    more = details(f"{counted(len(parts) - _LINEAGES, 'further way')}", "".join(parts[_LINEAGES:]))
    return section(
        "lineage-genes",
        "Genes that change along the way",
        paragraph(
            f"The genes that change most on the way to each end. The line is what the atlas "
            f"expects{freed}. {ours}. Both run from the start of the path on the "
            "left to its end on the right, in counts per 10,000 of the atlas’s genes on a log "
            "scale. Compare the course rather than the height, which differs between technologies."
        ),
        *parts[:_LINEAGES],
        more if len(parts) > _LINEAGES else "",
        paragraph(
            "All genes: <code>cellport map --lineage-genes FILE.csv</code>, or "
            "<code>atlas.lineage_genes()</code> in Python.",
            "note",
        ),
    )


def _how_many(path: PathFindings, n_cells: int) -> str:
    lie = "lies" if path.n_on == 1 else "lie"
    text = (
        f"<strong>{counted(path.n_on, 'cell')}</strong> of yours "
        f"({percent(path.n_on, n_cells)}) {lie} on it"
    )
    off = n_cells - path.n_on
    if off:
        text += f"; the other {number(off)} resemble cells of the atlas beside it, or are empty"
    if path.n_on:
        text += f". A cell’s pseudotime is uncertain by about ±{path.sd_sum / path.n_on:.2f}"
    return f"{text}."


def _course(found: Trajectory | None) -> str:
    if found is None:
        return ""
    ends = names(found.terminals, 8)
    circle = (
        "Part of it is a circle. Which way round cells go cannot be told from their counts, so "
        "both ways lead to its far side, and pseudotime is that of the shorter. "
    )
    course = f"The atlas’s cells form a path from {names(found.roots)} to {ends}. "
    return course + (circle if found.circles else "")


def _map(c: Contents) -> str:
    found, sample, layout = c.trajectory, c.findings.sample, c.background.layout
    if found is None:
        return paragraph(
            "This atlas was made before atlases held the course of their path, so it is not drawn.",
            "note",
        )
    if layout is None or not c.findings.in_layout:
        return ""
    drawn = np.isfinite(sample.point).all(axis=1)
    at, time = sample.point[drawn], sample.time[drawn]
    on = np.isfinite(time)
    step = np.clip((np.where(on, time, 0) * TIMES).astype(np.int64), 0, TIMES - 1)
    dots = [Dots("kx", "", at[~on])] if not on.all() else []
    dots += [Dots(f"t{i}", "", at[on & (step == i)]) for i in range(TIMES)]
    root = np.isin(np.array(found.milestones, object), found.roots)
    ways = Ways(found.path, found.positions, root)
    places = [Place(i + 1, title, found.positions[i]) for i, title in enumerate(found.milestones)]
    beside = '<li><span class="swatch kx"></span>beside the path</li>' if not on.all() else ""
    label = (
        f"Map of {number(len(at))} mapped cells, coloured by pseudotime, on reference cells in "
        f"grey, with the path from {', '.join(found.roots)} to {', '.join(found.terminals)}."
    )
    drawing = scatter(Dots("ref", "", layout), dots, places, label, ways)
    listed = "".join(
        f'<li><strong>{i + 1}</strong> {name(title)} <span class="quiet">{_part(found, i)}</span>'
        "</li>"
        for i, title in enumerate(found.milestones[:_MOST])
    )
    return (
        f'<div class="mapbox pathbox">{drawing}{time_key("start of the path", "far end")}'
        f'<ul class="legend">{listed}{beside}</ul></div>'
    )


def _part(found: Trajectory, milestone: int) -> str:
    title = found.milestones[milestone]
    if title in found.roots:
        return "start"
    return "end" if title in found.terminals else "branching"


def _edges(c: Contents) -> list[str]:
    path, found = c.path, c.trajectory
    if path is None:
        return []
    shares = path.by_edge / max(path.n_on, 1)
    reference = np.zeros_like(shares)
    if found is not None:
        parts = found.share.shape[1] // shares.shape[1]
        if parts * shares.shape[1] == found.share.shape[1]:
            reference = found.share.reshape(*shares.shape, parts).sum(axis=2)
    tallest = max(float(shares.max(initial=0)), float(reference.max(initial=0)))
    items = []
    for code, title in enumerate(path.edges[:_MOST]):
        ours = int(path.by_edge[code].sum())
        words = f"{counted(ours, 'cell')}: {percent(ours, path.n_on)} of those on the path"
        if found is not None:
            words += f", {percent(float(reference[code].sum()), 1)} of the atlas’s"
        label = f"Cells along {title}, {ours} in all."
        shown = name(title).replace("-&gt;", "→")
        items.append((shown, along_edge(shares[code], reference[code], tallest, label), words))
    note = "Bars are your cells, from the start of each part on the left to its end on the right"
    outline = "" if found is None else "; the line is the same for the atlas’s cells"
    rest = items[_EDGES:]
    return [
        figures(items[:_EDGES]),
        details(counted(len(rest), "further part"), figures(rest)) if rest else "",
        paragraph(f"{note}{outline}.", "note"),
    ]


def _fates(c: Contents) -> str:
    path, found = c.path, c.trajectory
    if path is None or len(path.terminals) < 2 or not path.n_on:
        return ""
    head = ["end", "", "cells", "share", *([] if found is None else ["in the atlas"])]
    rows = []
    longest = max(int(path.bound.max(initial=0)), path.n_on - int(path.bound.sum()))
    states = [*zip(path.terminals, path.bound.tolist(), strict=True)]
    shares = [] if found is None else [*found.bound.tolist(), 1 - float(found.bound.sum())]
    states.append(("", path.n_on - int(path.bound.sum())))
    for code, (title, n) in enumerate(states):
        shown = name(title) if title else "still open"
        bar = row_bar([("sure" if title else "unknown", n)], longest)
        row = [shown, bar, number(n), percent(n, path.n_on)]
        rows.append([*row, percent(shares[code], 1)] if shares else row)
    return (
        "<h3>What they are bound for</h3>"
        + paragraph(
            f"A cell counts as bound for an end of the path when {percent(BOUND, 1)} or more of "
            "the atlas’s cells further along from its place lead there. Before the path branches, "
            "nothing is settled."
        )
        + table(head, rows, "Your cells on the path by where they are bound", "types")
    )


def _roots_of(found: Trajectory, lineage: int) -> list[str]:
    starts = found.ends[found.lineage_edges[lineage], 0]
    inside = [found.milestones[i] for i in dict.fromkeys(starts.tolist())]
    return [title for title in inside if title in found.roots]


def _genes_of(c: Contents, found: Trajectory, lineage: int) -> str:
    query = c.query_lineages
    genes = c.gene_names
    position = {title: code for code, title in reversed(list(enumerate(genes.tolist())))}
    ranked = gene_changes(found, genes, found.terminals[lineage])
    agreement = None
    if query is not None:
        measured = [gene for gene in ranked if query.measured[position[gene.gene]]]
        ranked = measured or ranked
        agreement = query.agreement(found)[lineage]
    items = []
    for gene in ranked[:_GENES]:
        code = position[gene.gene]
        known, level = np.zeros(found.expression.shape[1], np.bool_), np.zeros(0)
        if query is not None:
            known = (query.cells[lineage] >= FEWEST_CELLS) & query.measured[code]
            level = log_level(query.expression[lineage, :, code])
        atlas = log_level(found.expression[lineage, :, code])
        words = f"{_COURSE[gene.direction]}, about {_fold(gene)}"
        if agreement is not None:
            words += f"; {_follow(float(agreement[code]))}"
        label = f"{gene.gene} on the way to {gene.lineage}: {words}."
        curve = gene_curve(atlas, level if len(level) else atlas, known, label)
        items.append((f"<i>{name(gene.gene)}</i>", curve, words))
    return figures(items) + paragraph(_agreement(c, lineage, ranked, position), "note")


def _agreement(
    c: Contents, lineage: int, ranked: list[LineageGene], position: dict[str, int]
) -> str:
    """Say how many of the hundred genes that change most take the same course in the query."""
    if c.query_lineages is None or c.trajectory is None:
        return ""
    found = c.query_lineages.agreement(c.trajectory)[lineage]
    known: NDArray[np.float64] = found[[position[gene.gene] for gene in ranked[:100]]]
    known = known[np.isfinite(known)]
    if not len(known):
        return "Too few of your cells lie along this way to compare."
    follow = int((known >= _FOLLOWS).sum())
    return (
        f"Of the {counted(len(known), 'gene')} that change most here, {number(follow)} take the "
        f"same course in your cells (correlation of {_FOLLOWS:g} or more)."
    )


def _fold(gene: LineageGene) -> str:
    fold = 2**gene.change
    return f"{fold:.1f}-fold" if fold < 10 else f"{fold:,.0f}-fold"


def _follow(agreement: float) -> str:
    if not np.isfinite(agreement):
        return "too few of your cells to compare"
    if agreement >= _FOLLOWS:
        return "your cells too"
    return "your cells roughly" if agreement >= _ROUGHLY else "not in your cells"
