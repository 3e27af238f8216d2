"""The part of a report about clusters: groups that the atlas finds without labels."""

from __future__ import annotations

from cellport.runtime.report.charts import count_row
from cellport.runtime.report.contents import ReportContents
from cellport.runtime.report.markup import (
    Html,
    details,
    heads,
    name,
    paragraph,
    quiet,
    said,
    section,
    table,
)
from cellport.runtime.report.numbers import most_first, percent

_ROWS = 15
_MOST_ROWS = 500


def cluster_section(c: ReportContents) -> Html:
    """How many cells fall into each cluster of the atlas, and what they are called."""
    paths, calls = c.paths, c.findings.calls
    if not paths.by_cluster.any():
        return Html()
    cells = paths.by_cluster.sum(axis=1)
    rows = []
    for code in most_first(cells):
        title = said("clusters_each", name=name(paths.clusters[code]))
        row = count_row(title, [("sure", cells[code])], cells.max(), c.findings.n_cells)
        if calls:
            most = int(paths.by_cluster[code, :-1].argmax())
            share = percent(paths.by_cluster[code, most], cells[code])
            row.append(name(calls[most]) + " " + quiet(f"({share})"))
        rows.append(row)
    head = heads("clusters") if calls else heads("clusters")[:-1]
    caption = said("clusters_caption")
    rest = rows[_ROWS:_MOST_ROWS]
    smaller = table(head, rest, caption, "types clusters") if rest else Html()
    return section(
        "clusters",
        said("clusters_title"),
        paragraph(said("clusters_why")),
        table(head, rows[:_ROWS], caption, "types clusters"),
        details(said("clusters_smaller", n=len(rest)), smaller),
    )
