"""The part of a report about clusters: groups that the atlas finds without labels."""

from __future__ import annotations

import numpy as np

from cellport.runtime.report.charts import row_bar
from cellport.runtime.report.contents import Contents
from cellport.runtime.report.markup import details, name, number, paragraph, percent, section, table

_ROWS = 15
_MOST_ROWS = 500


def cluster_section(c: Contents) -> str:
    """How many cells fall into each cluster of the atlas, and what they are called."""
    path, calls = c.path, c.findings.calls
    if path is None or not path.clusters or not path.by_cluster.any():
        return ""
    cells = path.by_cluster.sum(axis=1)
    order = [code for code in np.argsort(-cells, kind="stable").tolist() if cells[code]]
    longest, n = int(cells.max()), c.findings.n_cells
    rows = []
    for code in order:
        row = [
            f"cluster {name(path.clusters[code])}",
            row_bar([("sure", int(cells[code]))], longest),
            number(int(cells[code])),
            percent(int(cells[code]), n),
        ]
        if calls:
            most = int(path.by_cluster[code, :-1].argmax())
            share = percent(int(path.by_cluster[code, most]), int(cells[code]))
            row.append(f'{name(calls[most])} <span class="quiet">({share})</span>')
        rows.append(row)
    head = ["cluster", "", "cells", "share", *(["mostly called"] if calls else [])]
    caption = "Cells by cluster, most first"
    rest = rows[_ROWS:_MOST_ROWS]
    return section(
        "clusters",
        "Clusters, whatever the labels",
        paragraph(
            "The atlas also sorts cells into groups by similarity alone, without looking at "
            "labels. A type that falls into several clusters has finer states in the atlas."
        ),
        table(head, rows[:_ROWS], caption, "types clusters"),
        details(f"{len(rest)} smaller ones", table(head, rest, caption, "types clusters"))
        if rest
        else "",
    )
