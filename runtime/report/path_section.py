"""The parts of a report about the trajectory: the path, the fates, and genes along it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.trajectory import (
    LineageGene,
    Trajectory,
    gene_changes,
    log_level,
)
from cellport.runtime.decisions import say, words
from cellport.runtime.mapping.gather.lineages import FEWEST_CELLS
from cellport.runtime.mapping.gather.paths import BOUND, PathFindings
from cellport.runtime.report.charts import Dots, MapLabel, count_row, scatter
from cellport.runtime.report.contents import ReportContents
from cellport.runtime.report.markup import (
    Html,
    as_code,
    details,
    each,
    heading,
    heads,
    name,
    names,
    paragraph,
    quiet,
    said,
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
_COURSE, _FOLLOWING = words("report.courses"), words("report.follows")
_PART = words("report.path_part")
_FOLLOWS, _ROUGHLY = 0.8, 0.4


def path_section(c: ReportContents) -> Html:
    """Where the cells lie on the atlas's trajectory, and what they are bound for."""
    found = c.trajectory
    if found is None or not c.findings.n_cells:
        return Html()
    return section(
        "path",
        said("path_title"),
        paragraph(_course(found) + said("path_time")),
        paragraph(_how_many(c.paths, c.findings.n_cells)),
        _map(c, found),
        heading(said("path_parts")),
        *_edges(c.paths, found),
        _fates(c.paths, found),
    )


def lineage_genes_section(c: ReportContents) -> Html:
    """Genes that change most along each lineage, in the atlas and in the query."""
    found, query = c.trajectory, c.query_lineages
    if found is None:
        return Html()
    ours = said("lineage_dots" if query is not None else "lineage_no_counts")
    freed = said("lineage_freed") if len(c.manifest.batches) > 1 else ""
    parts = []
    for code, terminal in enumerate(found.terminals[:_MOST]):
        roots = names(_roots_of(found, code))
        way = said("lineage_way", roots=roots, terminal=name(terminal))
        parts.append(heading(way) + _genes_of(c, found, code))
    rest = parts[_LINEAGES:]
    return section(
        "lineage-genes",
        said("lineage_title"),
        paragraph(said("lineage_read", freed=freed, ours=ours)),
        *parts[:_LINEAGES],
        details(counted(len(rest), "further way"), Html().join(rest)),
        paragraph(
            said(
                "lineage_all",
                command=as_code("cellport map --lineage-genes FILE.csv"),
                call=as_code("atlas.lineage_genes()"),
            ),
            "note",
        ),
    )


def _how_many(path: PathFindings, n_cells: int) -> Html:
    lie = "lies" if path.n_on == 1 else "lie"
    share = percent(path.n_on, n_cells)
    text = said("path_on", cells=strong(counted(path.n_on, "cell")), share=share, lie=lie)
    off = n_cells - path.n_on
    if off:
        text += said("path_off", cells=number(off))
    if path.n_on:
        text += said("path_sd", sd=f"{path.mean_sd:.2f}")
    return text + "."


def _course(found: Trajectory) -> Html:
    roots, terminals = names(found.roots), names(found.terminals, 8)
    course = said("path_course", roots=roots, terminals=terminals)
    return course + said("path_circle") if found.circles else course


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
    roots, terminals = ", ".join(found.roots), ", ".join(found.terminals)
    label = say("report.path_said", cells=number(len(at)), roots=roots, terminals=terminals)
    assert c.background is not None  # a trajectory is one of reference cells
    drawing = scatter(Dots("ref", c.background.point), dots, labels, label, ways)
    legend = each(
        Html("<li>{} {} {}</li>"),
        [
            (strong(str(i + 1)), name(title), quiet(_part(found, i)))
            for i, title in enumerate(found.milestones[:_MOST])
        ],
    )
    if not on.all():
        beside = Html('<li><span class="swatch kx"></span>{}</li>')
        legend += beside.format(said("path_beside"))
    return Html('<div class="mapbox pathbox">{}{}<ul class="legend">{}</ul></div>').format(
        drawing, time_key(said("path_start"), said("path_end")), legend
    )


def _part(found: Trajectory, milestone: int) -> str:
    title = found.milestones[milestone]
    if title in found.roots:
        return _PART["start"]
    return _PART["end" if title in found.terminals else "branching"]


def _edges(path: PathFindings, found: Trajectory) -> list[Html]:
    shares, reference = path.by_edge / max(path.n_on, 1), found.share
    tallest = max(float(shares.max(initial=0)), float(reference.max(initial=0)))
    items = []
    for code, title in enumerate(path.edges[:_MOST]):
        ours = int(path.by_edge[code].sum())
        below = say(
            "report.path_edge",
            cells=counted(ours, "cell"),
            share=percent(ours, path.n_on),
            atlas=percent(float(reference[code].sum()), 1),
        )
        label = say("report.path_edge_said", edge=title, cells=ours)
        shown = name(title.replace("->", "→"))
        items.append((shown, along_edge(shares[code], reference[code], tallest, label), below))
    rest = items[_EDGES:]
    return [
        figures(items[:_EDGES]),
        details(counted(len(rest), "further part"), figures(rest)),
        paragraph(said("path_bars"), "note"),
    ]


def _fates(path: PathFindings, found: Trajectory) -> Html:
    if len(path.terminals) < 2 or not path.n_on:
        return Html()
    still_open = path.n_on - int(path.bound.sum())
    bound = [*path.bound.tolist(), still_open]
    titles: list[str] = [*map(name, path.terminals), said("fates_open")]
    kinds = [*["sure"] * len(path.terminals), "unknown"]
    shares = [*found.bound.tolist(), 1 - float(found.bound.sum())]
    rows = [
        [*count_row(title, [(kind, n)], max(bound), path.n_on), percent(share, 1)]
        for title, kind, n, share in zip(titles, kinds, bound, shares, strict=True)
    ]
    return (
        heading(said("fates_title"))
        + paragraph(said("fates_bound", share=percent(BOUND, 1)))
        + table(heads("fates"), rows, said("fates_caption"), "types")
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
        below = say("report.lineage_changes", course=_COURSE[gene.direction], fold=_fold(gene))
        if agreement is not None:
            below += f"; {_follow(float(agreement[code]))}"
        label = say("report.lineage_gene_said", gene=gene.gene, terminal=gene.lineage, words=below)
        title = Html("<i>{}</i>").format(name(gene.gene))
        items.append((title, gene_curve(atlas, level, label), below))
    if agreement is None:
        return figures(items)
    most = agreement[[position[gene.gene] for gene in ranked[:100]]]
    return figures(items) + paragraph(_agreement(most), "note")


def _agreement(found: NDArray[np.float64]) -> str:
    """Say how many of the hundred genes that change most take the same course in the query."""
    known = found[np.isfinite(found)]
    if not len(known):
        return said("lineage_few")
    follow = int((known >= _FOLLOWS).sum())
    genes, least = counted(len(known), "gene"), f"{_FOLLOWS:g}"
    return said("lineage_follow", genes=genes, follow=number(follow), least=least)


def _fold(gene: LineageGene) -> str:
    fold = 2**gene.change
    return f"{fold:.1f}" if fold < 10 else f"{fold:,.0f}"


def _follow(agreement: float) -> str:
    if not np.isfinite(agreement):
        return _FOLLOWING["unknown"]
    if agreement >= _FOLLOWS:
        return _FOLLOWING["well"]
    return _FOLLOWING["roughly" if agreement >= _ROUGHLY else "not"]
