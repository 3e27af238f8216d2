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
from cellport.runtime.mapping.gather.lineages import FEWEST_CELLS
from cellport.runtime.mapping.gather.paths import BOUND, PathFindings
from cellport.runtime.report.charts import Dots, MapLabel, count_row, scatter
from cellport.runtime.report.contents import ReportContents
from cellport.runtime.report.markup import (
    Html,
    details,
    each,
    name,
    names,
    paragraph,
    quiet,
    section,
    strong,
    table,
)
from cellport.runtime.report.numbers import counted, number, percent
from cellport.runtime.report.path_charts import (
    TIMES,
    Ways,
    along_edge,
    figures,
    gene_curve,
    time_key,
)

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


def path_section(c: ReportContents) -> Html:
    """Where the cells lie on the atlas's trajectory, and what they are bound for."""
    found = c.trajectory
    if found is None or not c.findings.n_cells:
        return Html()
    return section(
        "path",
        "Where the cells lie on the path",
        paragraph(
            _course(found) + "Pseudotime says how far along a cell is: 0 where the path "
            "starts, 1 at its far end. It orders cells by what they express. It is no clock, and "
            "no proof that one cell turns into the next."
        ),
        paragraph(_how_many(c.paths, c.findings.n_cells)),
        _map(c, found),
        Html("<h3>How far along each part of the path</h3>"),
        *_edges(c.paths, found),
        _fates(c.paths, found),
    )


def lineage_genes_section(c: ReportContents) -> Html:
    """Genes that change most along each lineage, in the atlas and in the query."""
    found, query = c.trajectory, c.query_lineages
    if found is None:
        return Html()
    ours = (
        "Dots are your cells, from their own counts, at the same place of the path"
        if query is not None
        else "Your cells’ own counts were not at hand for this page"
    )
    freed = ", freed from its batches" if len(c.manifest.batches) > 1 else ""
    heading = Html("<h3>From {} to {}</h3>")
    parts = [
        heading.format(names(_roots_of(found, code)), name(terminal)) + _genes_of(c, found, code)
        for code, terminal in enumerate(found.terminals[:_MOST])
    ]
    rest = parts[_LINEAGES:]
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
        details(counted(len(rest), "further way"), Html().join(rest)),
        paragraph(
            Html(
                "All genes: <code>cellport map --lineage-genes FILE.csv</code>, or "
                "<code>atlas.lineage_genes()</code> in Python."
            ),
            "note",
        ),
    )


def _how_many(path: PathFindings, n_cells: int) -> Html:
    lie = "lies" if path.n_on == 1 else "lie"
    share = percent(path.n_on, n_cells)
    text = strong(counted(path.n_on, "cell")) + f" of yours ({share}) {lie} on it"
    off = n_cells - path.n_on
    if off:
        text += f"; the other {number(off)} resemble cells of the atlas beside it, or are empty"
    if path.n_on:
        text += f". A cell’s pseudotime is uncertain by about ±{path.mean_sd:.2f}"
    return text + "."


def _course(found: Trajectory) -> Html:
    course = Html("The atlas’s cells form a path from {} to {}. ").format(
        names(found.roots), names(found.terminals, 8)
    )
    if found.circles:
        course += (
            "Part of it is a circle. Which way round cells go cannot be told from their counts, "
            "so both ways lead to its far side, and pseudotime is that of the shorter. "
        )
    return course


def _map(c: ReportContents, found: Trajectory) -> Html:
    sample = c.findings.sample
    drawn = np.isfinite(sample.point).all(axis=1)
    at, time = sample.point[drawn], sample.time[drawn]
    on = np.isfinite(time)
    step = np.clip((np.where(on, time, 0) * TIMES).astype(np.int64), 0, TIMES - 1)
    dots = [Dots("kx", at[~on])] if not on.all() else []
    dots += [Dots(f"t{i}", at[on & (step == i)]) for i in range(TIMES)]
    root = np.isin(np.array(found.milestones, object), found.roots)
    ways = Ways(found.path, found.positions, root)
    labels = [
        MapLabel(i + 1, title, found.positions[i]) for i, title in enumerate(found.milestones)
    ]
    said = (
        f"Map of {number(len(at))} mapped cells, coloured by pseudotime, on reference cells in "
        f"grey, with the path from {', '.join(found.roots)} to {', '.join(found.terminals)}."
    )
    assert c.background is not None  # a trajectory is one of reference cells
    drawing = scatter(Dots("ref", c.background.point), dots, labels, said, ways)
    legend = each(
        Html("<li>{} {} {}</li>"),
        [
            (strong(str(i + 1)), name(title), quiet(_part(found, i)))
            for i, title in enumerate(found.milestones[:_MOST])
        ],
    )
    if not on.all():
        legend += Html('<li><span class="swatch kx"></span>beside the path</li>')
    return Html('<div class="mapbox pathbox">{}{}<ul class="legend">{}</ul></div>').format(
        drawing, time_key("start of the path", "far end"), legend
    )


def _part(found: Trajectory, milestone: int) -> str:
    title = found.milestones[milestone]
    if title in found.roots:
        return "start"
    return "end" if title in found.terminals else "branching"


def _edges(path: PathFindings, found: Trajectory) -> list[Html]:
    shares, reference = path.by_edge / max(path.n_on, 1), found.share
    tallest = max(float(shares.max(initial=0)), float(reference.max(initial=0)))
    items = []
    for code, title in enumerate(path.edges[:_MOST]):
        ours = int(path.by_edge[code].sum())
        words = (
            f"{counted(ours, 'cell')}: {percent(ours, path.n_on)} of those on the path, "
            f"{percent(float(reference[code].sum()), 1)} of the atlas’s"
        )
        label = f"Cells along {title}, {ours} in all."
        shown = name(title.replace("->", "→"))
        items.append((shown, along_edge(shares[code], reference[code], tallest, label), words))
    note = (
        "Bars are your cells, from the start of each part on the left to its end on the right; "
        "the line is the same for the atlas’s cells."
    )
    rest = items[_EDGES:]
    return [
        figures(items[:_EDGES]),
        details(counted(len(rest), "further part"), figures(rest)),
        paragraph(note, "note"),
    ]


def _fates(path: PathFindings, found: Trajectory) -> Html:
    if len(path.terminals) < 2 or not path.n_on:
        return Html()
    head = ["end", "", "cells", "share", "in the atlas"]
    still_open = path.n_on - int(path.bound.sum())
    bound = [*path.bound.tolist(), still_open]
    titles: list[str] = [*map(name, path.terminals), "still open"]
    kinds = [*["sure"] * len(path.terminals), "unknown"]
    shares = [*found.bound.tolist(), 1 - float(found.bound.sum())]
    rows = [
        [*count_row(title, [(kind, n)], max(bound), path.n_on), percent(share, 1)]
        for title, kind, n, share in zip(titles, kinds, bound, shares, strict=True)
    ]
    return (
        Html("<h3>What they are bound for</h3>")
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


def _genes_of(c: ReportContents, found: Trajectory, lineage: int) -> Html:
    query, genes = c.query_lineages, c.manifest.panel.names
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
        atlas = log_level(found.expression[lineage, :, code])
        level = np.full_like(atlas, np.nan)
        if query is not None:
            known = (query.cells[lineage] >= FEWEST_CELLS) & query.measured[code]
            level[known] = log_level(query.expression[lineage, known, code])
        words = f"{_COURSE[gene.direction]}, about {_fold(gene)}"
        if agreement is not None:
            words += f"; {_follow(float(agreement[code]))}"
        label = f"{gene.gene} on the way to {gene.lineage}: {words}."
        title = Html("<i>{}</i>").format(name(gene.gene))
        items.append((title, gene_curve(atlas, level, label), words))
    if agreement is None:
        return figures(items)
    most = agreement[[position[gene.gene] for gene in ranked[:100]]]
    return figures(items) + paragraph(_agreement(most), "note")


def _agreement(found: NDArray[np.float64]) -> str:
    """Say how many of the hundred genes that change most take the same course in the query."""
    known = found[np.isfinite(found)]
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
