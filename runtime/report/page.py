"""The page of a report: its parts in the order in which people need them."""

from __future__ import annotations

from collections.abc import Iterator

from cellport.runtime.report.cluster_section import cluster_section
from cellport.runtime.report.contents import ReportContents
from cellport.runtime.report.document import document
from cellport.runtime.report.made import made_section
from cellport.runtime.report.map_section import map_section
from cellport.runtime.report.markup import Html, cut, each, name, said
from cellport.runtime.report.numbers import counted, number, percent
from cellport.runtime.report.opinions_section import opinions_section
from cellport.runtime.report.path_section import lineage_genes_section, path_section
from cellport.runtime.report.reasons_section import reasons_section
from cellport.runtime.report.sections import (
    confidence_section,
    genes_section,
    labels_section,
    novelty_section,
    quality_section,
    queries_section,
    spread_section,
    unsure_section,
)
from cellport.runtime.report.terms import terms_section
from cellport.runtime.report.words import cautions, first_look, lead


def render(c: ReportContents) -> str:
    """Return the report as one HTML page that needs nothing else."""
    plain = c.sources[0][0] if len(c.sources) == 1 else said("several_files", files=len(c.sources))
    parts = [
        _header(c),
        Html("<main>"),
        Html('<p class="lead">{}</p>').format(lead(c)),
        _tiles(c),
        _first(c),
        *(_about_cells(c) if c.findings.n_cells else ()),
        genes_section(c),
        terms_section(c),
        made_section(c),
        Html("</main>\n<footer>{}</footer>").format(said("alone")),
    ]
    title = said("document", query=cut(plain), atlas=cut(c.manifest.name))
    return document(title, Html("\n").join(part for part in parts if part))


def _about_cells(c: ReportContents) -> Iterator[Html]:
    yield map_section(c)
    if c.findings.labels:
        yield labels_section(c)
        yield _pair(confidence_section(c), unsure_section(c) if c.calibrated else Html())
        yield reasons_section(c)
        yield opinions_section(c)
        yield queries_section(c)
    yield path_section(c)
    yield lineage_genes_section(c)
    yield cluster_section(c)
    if c.background is not None:
        yield novelty_section(c)
    yield _pair(spread_section(c), quality_section(c))


def _header(c: ReportContents) -> Html:
    brand = said("brand", date=f"{c.made.day} {c.made:%B %Y}")
    title = said("on", query=c.query_in_words, atlas=name(c.manifest.name))
    return Html('<header><p class="brand">{}</p><h1>{}</h1></header>').format(brand, title)


def _tiles(c: ReportContents) -> Html:
    found, n = c.findings, c.findings.n_cells
    share = min((report["share"] for report in c.genes), default=0.0)
    tiles = [(said("tile_cells"), number(n), counted(len(c.sources), "file"))]
    if found.labels and not c.calibrated:
        labelled = found.outcome["sure"]
        tiles.append((said("tile_labelled"), percent(labelled, n), counted(labelled, "cell")))
    elif found.labels:
        sure = found.outcome["sure"]
        left = n - sure
        tiles += [
            (said("tile_sure"), percent(sure, n), counted(sure, "cell")),
            (said("tile_left"), percent(left, n), counted(left, "cell")),
        ]
    new = found.n_novel
    where = said("tile_in_query" if len(c.genes) == 1 else "tile_in_fewest")
    if c.background is not None:
        tiles.append((said("tile_novel"), percent(new, n), counted(new, "cell")))
    tiles.append((said("tile_genes"), percent(share, 1), where))
    cells = each(Html("<div><dt>{}</dt><dd>{}<small>{}</small></dd></div>"), tiles)
    return Html('<dl class="tiles">{}</dl>').format(cells)


def _first(c: ReportContents) -> Html:
    steps = each(Html("<li>{}</li>"), [[step] for step in first_look(c)])
    mild = each(
        Html('<div class="caution mild"><strong>{}.</strong> {}</div>'),
        [(caution.title, caution.text) for caution in cautions(c) if not caution.serious],
    )
    return Html(
        '<section id="first" class="first" aria-labelledby="first-title">'
        '<h2 id="first-title">{}</h2><ol>{}</ol>{}</section>'
    ).format(said("first"), steps, mild)


def _pair(left: Html, right: Html) -> Html:
    both = Html('<div class="pair">\n{}\n{}\n</div>')
    return both.format(left, right) if left and right else left or right
