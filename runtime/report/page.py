"""The page of a report: its parts in the order in which people need them."""

from __future__ import annotations

from cellport.runtime.report.cluster_section import cluster_section
from cellport.runtime.report.contents import Contents
from cellport.runtime.report.made import made_section
from cellport.runtime.report.map_section import map_section
from cellport.runtime.report.markup import counted, name, number, percent, safe
from cellport.runtime.report.path_section import lineage_genes_section, path_section
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
from cellport.runtime.report.words import cautions, first_look, lead

# nothing may be fetched or run, even if a name were to slip through as markup
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'"


def render(c: Contents) -> str:
    """Return the report as one HTML page that needs nothing else."""
    plain = c.sources[0][0] if len(c.sources) == 1 else f"{len(c.sources)} files"
    title = f"{safe(plain)} on {safe(c.manifest.name)}"
    parts = [
        _header(c),
        "<main>",
        f'<p class="lead">{lead(c)}</p>',
        _tiles(c),
        _first(c),
        map_section(c),
        labels_section(c),
        _pair(confidence_section(c), unsure_section(c)),
        queries_section(c),
        path_section(c),
        lineage_genes_section(c),
        cluster_section(c),
        novelty_section(c),
        _pair(spread_section(c), quality_section(c)),
        genes_section(c),
        made_section(c),
        "</main>",
        "<footer>This page holds everything it shows, and asks nothing of the network.</footer>",
    ]
    body = "\n".join(part for part in parts if part)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{title}: cellport report</title>\n<style>{style()}</style>\n"
        f"</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _header(c: Contents) -> str:
    day = f"{c.made.day} {c.made:%B %Y}"
    return (
        f'<header><p class="brand">cellport mapping report · {day}</p>'
        f"<h1>{c.query_in_words} on {name(c.manifest.name)}</h1></header>"
    )


def _tiles(c: Contents) -> str:
    found, n = c.findings, c.findings.n_cells
    share = min((report["share"] for report in c.genes), default=0.0)
    tiles = [("Cells mapped", number(n), counted(len(c.sources), "file"))]
    if found.labels:
        sure = found.outcome["sure"]
        left = n - sure
        tiles += [
            ("Labelled with confidence", percent(sure, n), counted(sure, "cell")),
            ("Broader group or unknown", percent(left, n), counted(left, "cell")),
        ]
    if found.n_novel is not None:
        new = found.n_novel
        tiles.append(("Unlike the atlas", percent(new, n), counted(new, "cell")))
    where = "in the query" if len(c.genes) == 1 else "in the file with fewest"
    tiles.append(("Atlas genes found", percent(share, 1), where))
    cells = "".join(
        f"<div><dt>{title}</dt><dd>{value}<small>{more}</small></dd></div>"
        for title, value, more in tiles
    )
    return f'<dl class="tiles">{cells}</dl>'


def _first(c: Contents) -> str:
    steps = "".join(f"<li>{step}</li>" for step in first_look(c))
    mild = "".join(
        f'<div class="caution mild"><strong>{caution.title}.</strong> {caution.text}</div>'
        for caution in cautions(c)
        if not caution.serious
    )
    return (
        '<section id="first" class="first" aria-labelledby="first-title">'
        f'<h2 id="first-title">What to look at first</h2><ol>{steps}</ol>{mild}</section>'
    )


def _pair(left: str, right: str) -> str:
    return f'<div class="pair">\n{left}\n{right}\n</div>' if left and right else left or right
