"""The page of a report: its parts in the order in which people need them."""

from __future__ import annotations

from collections.abc import Iterator

from cellport.runtime.report.cluster_section import cluster_section
from cellport.runtime.report.contents import ReportContents
from cellport.runtime.report.made import made_section
from cellport.runtime.report.map_section import map_section
from cellport.runtime.report.markup import Html, cut, each, name
from cellport.runtime.report.numbers import counted, number, percent
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
from cellport.runtime.report.style import style
from cellport.runtime.report.terms import terms_section
from cellport.runtime.report.words import cautions, first_look, lead

# nothing may be fetched or run, even if a name were to slip through as markup
_POLICY = Html("default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'")


def render(c: ReportContents) -> str:
    """Return the report as one HTML page that needs nothing else."""
    plain = c.sources[0][0] if len(c.sources) == 1 else f"{len(c.sources)} files"
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
        Html(
            "</main>\n<footer>This page holds everything it shows, and asks nothing of the network."
            "</footer>"
        ),
    ]
    page = Html(
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" content="{}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        "<title>{} on {}: cellport report</title>\n<style>{}</style>\n"
        "</head>\n<body>\n{}\n</body>\n</html>\n"
    )
    body = Html("\n").join(part for part in parts if part)
    return str(page.format(_POLICY, cut(plain), cut(c.manifest.name), style(), body))


def _about_cells(c: ReportContents) -> Iterator[Html]:
    yield map_section(c)
    if c.findings.labels:
        yield labels_section(c)
        yield _pair(confidence_section(c), unsure_section(c) if c.calibrated else Html())
        yield reasons_section(c)
        yield queries_section(c)
    yield path_section(c)
    yield lineage_genes_section(c)
    yield cluster_section(c)
    if c.background is not None:
        yield novelty_section(c)
    yield _pair(spread_section(c), quality_section(c))


def _header(c: ReportContents) -> Html:
    return Html(
        '<header><p class="brand">cellport mapping report · {} {:%B %Y}</p>'
        "<h1>{} on {}</h1></header>"
    ).format(c.made.day, c.made, c.query_in_words, name(c.manifest.name))


def _tiles(c: ReportContents) -> Html:
    found, n = c.findings, c.findings.n_cells
    share = min((report["share"] for report in c.genes), default=0.0)
    tiles = [("Cells mapped", number(n), counted(len(c.sources), "file"))]
    if found.labels and not c.calibrated:
        labelled = found.outcome["sure"]
        tiles.append(("Labelled, however unsure", percent(labelled, n), counted(labelled, "cell")))
    elif found.labels:
        sure = found.outcome["sure"]
        left = n - sure
        tiles += [
            ("Labelled with confidence", percent(sure, n), counted(sure, "cell")),
            ("Broader group or unknown", percent(left, n), counted(left, "cell")),
        ]
    new = found.n_novel
    where = "in the query" if len(c.genes) == 1 else "in the file with fewest"
    if c.background is not None:
        tiles.append(("Unlike the atlas", percent(new, n), counted(new, "cell")))
    tiles.append(("Atlas genes found", percent(share, 1), where))
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
        '<h2 id="first-title">What to look at first</h2><ol>{}</ol>{}</section>'
    ).format(steps, mild)


def _pair(left: Html, right: Html) -> Html:
    both = Html('<div class="pair">\n{}\n{}\n</div>')
    return both.format(left, right) if left and right else left or right
