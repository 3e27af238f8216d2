"""Measure whether the genes named for labels carry them, and whether markers are among them.

    python -m benchmarks.explain

Cells of three datasets are mapped on the atlases that come with the package: blood, stimulated
blood that has a fifth of the panel's genes, and lung. Atlases with the panel that training takes
by itself are trained too, on blood, lung and pancreas, and asked about cells that they have not
seen. Of each type, ten genes are named, and their counts deleted; so are those of ten genes that
the type expresses, drawn twenty times. The same is done of single cells with the genes named for
them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.explain.cases import TRAINED, Case, shipped, trained
from benchmarks.shared.command import parser
from benchmarks.shared.results import ROOT, facts, fill, markdown, read, write
from cellport.runtime.mapping.atlas import Atlas
from cellport.runtime.mapping.explain.counted import CountedCells, count_cells
from cellport.runtime.mapping.explain.evidence import STEPS, Explainer
from cellport.runtime.mapping.explain.genes import reasons_of_type, without_genes

PAGE, MARK = ROOT / "docs" / "mapping.md", "benchmarks.explain"
GENES, CELLS, DRAWS, FEWEST = 10, 100, 20, 5
# share of a type's cells that have to express a gene that is drawn
EXPRESSED = 0.1


def measure(case: Case) -> dict[str, Any]:
    """Name genes, delete them and others, and look for markers."""
    stream = case.atlas.stream(case.query, keep_counts=True, minimum_genes=0.1)
    explainer = Explainer(case.atlas.file)
    measured, panel = {*case.query.var_names}, {*case.atlas.panel.names[stream.genes.measured]}
    by_type: dict[str, Any] = {}
    cells, labels = [], []
    for block in stream.blocks:
        label = block.obs["cellport_label"]
        rows = np.flatnonzero(label < len(case.atlas.manifest.labels))
        cells.append(count_cells(block.counts, stream.genes, rows))
        labels.append(label[rows].astype(np.int64))
    whole, label = _joined(cells), np.concatenate(labels)
    rng = np.random.default_rng(0)
    steps = []
    for code, name in enumerate(case.atlas.manifest.labels):
        rows = np.flatnonzero(label == code)
        if len(rows) < FEWEST:
            continue
        some = whole.take(rng.choice(rows, min(CELLS, len(rows)), replace=False))
        said = reasons_of_type(explainer, some, code, GENES)
        known = [gene for gene in case.markers.get(name, ()) if gene in measured]
        found = [gene.gene for gene in said.genes]
        by_type[name] = {
            "cells": len(some),
            "genes": found,
            "known": known,
            "named": [gene for gene in known if gene in found],
            "not_in_panel": [gene for gene in known if gene not in panel],
            "lost": said.probability - said.probability_without,
            "lost_by_others": _others(explainer, some, code, rng),
            "of_cells": _of_cells(explainer, some, code, rng),
            "as_by_half": _as_by_half(explainer, some, code, found),
        }
        steps.append(_apart(case.atlas, some, code))
    return {"types": by_type, "steps_apart": float(np.quantile(np.concatenate(steps), 0.95))}


def _joined(parts: list[CountedCells]) -> CountedCells:
    import scipy.sparse as sp

    return CountedCells(
        sp.vstack([part.counts for part in parts], format="csr"),
        np.concatenate([part.query_library for part in parts]),
        np.concatenate([part.unmeasured for part in parts]),
    )


def _others(explainer: Explainer, cells: CountedCells, code: int, rng: Any) -> float:
    """Mean loss of probability without ten genes that the type expresses."""
    share = np.asarray((cells.counts > 0).mean(axis=0)).ravel()
    usable = np.flatnonzero(share >= EXPRESSED)
    drawn = [
        without_genes(cells, rng.choice(usable, min(GENES, len(usable)), replace=False))
        for _ in range(DRAWS)
    ]
    sure = explainer.probability([cells, *drawn], np.full(len(cells), code))
    return float((sure[0] - sure[1:]).mean())


def _of_cells(explainer: Explainer, cells: CountedCells, code: int, rng: Any) -> list[float]:
    """Mean losses of single cells: without the genes named for each, and without any."""
    codes = np.full(len(cells), code)
    strength = explainer.evidence(cells, codes).for_label
    named, others = [], []
    for row in range(len(cells)):
        best = np.argsort(-strength[row], kind="stable")[:GENES]
        best = best[strength[row, best] > 0]
        there = cells.counts[row].indices
        drawn = rng.choice(there, min(GENES, len(there)), replace=False)
        named.append(without_genes(cells.take(np.array([row])), best))
        others.append(without_genes(cells.take(np.array([row])), drawn))
    versions = [cells, _joined(named), _joined(others)]
    sure = explainer.probability(versions, codes).mean(axis=1)
    return [float(sure[0] - sure[1]), float(sure[0] - sure[2])]


def _as_by_half(explainer: Explainer, cells: CountedCells, code: int, found: list[str]) -> int:
    """Of the genes named, those that half of the cells name too."""
    half = cells.take(np.arange(max(1, len(cells) // 2)))
    return len(
        {*found} & {gene.gene for gene in reasons_of_type(explainer, half, code, GENES).genes}
    )


def _apart(atlas: Atlas, cells: CountedCells, code: int) -> NDArray[np.float64]:
    """Farthest contribution of each cell from that by eight times the steps, by its largest."""
    some = cells.take(np.arange(min(10, len(cells))))
    codes = np.full(len(some), code)
    found = Explainer(atlas.file).evidence(some, codes).for_label
    exact = Explainer(atlas.file, 8 * STEPS).evidence(some, codes).for_label
    scale = np.maximum(np.abs(exact).max(axis=1), 1e-9)
    return np.asarray(np.abs(found - exact).max(axis=1) / scale)


def _fall(lost: float) -> str:
    return f"{-lost:.3f}".replace("-", "−")


def table(found: dict[str, Any]) -> str:
    """Set the results as they stand in the page."""
    head = ["cells", "types", "without ten named", "ten drawn", "times", "least of a type",
            "a cell's own ten", "ten drawn", "times", "markers named", "panel lacks"]  # fmt: skip
    rows = []
    for name, case in found["cases"].items():
        types = list(case["types"].values())
        lost, others = (np.mean([one[key] for one in types]) for key in ("lost", "lost_by_others"))
        # where other genes do not lower it at all, there is nothing to be a multiple of
        lowered = [one for one in types if one["lost_by_others"] > 0]
        least = min(one["lost"] / one["lost_by_others"] for one in lowered)
        own, beside = np.mean([one["of_cells"] for one in types], axis=0)
        known, named, lacks = (
            sum(len(one[key]) for one in types) for key in ("known", "named", "not_in_panel")
        )
        rows.append(
            [
                name, str(len(types)), _fall(lost), _fall(others), f"{lost / others:.0f}",
                f"{least:.0f}", _fall(own), _fall(beside), f"{own / beside:.0f}",
                f"{named} of {known}", str(lacks),
            ]
        )  # fmt: skip
    made = f"*{found['date']}, from `python -m benchmarks.explain`.*"
    told = (
        "How far the probability of the label falls, mean over the types, when the counts of ten "
        "genes are deleted: those named for the type, and some drawn of those that it expresses; "
        "those named for each cell, and some drawn of its own. Markers are genes that a type is "
        "known by and that the cells measured, whether the atlas reads them or not. The first "
        "atlases come with the package; those trained have the panel that training takes by "
        "itself, and cells that they have not seen are asked about: half of one sample, or a donor."
    )
    return f"{told}\n\n{markdown(head, rows)}\n\n{made}"


def main() -> None:
    command = parser("explain", __doc__, "out table cache")
    options = command.parse_args()
    if not options.table:
        measured = {name: measure(case) for name, case in shipped().items()}
        for name in TRAINED:
            measured[f"trained: {name}"] = measure(trained(name, options.cache))
        write(options.out, facts() | {"cases": measured})
    found = read(options.out)
    if options.out == command.get_default("out"):
        fill(PAGE, MARK, table(found))
    for name, case in found["cases"].items():
        print(name, f"steps apart {case['steps_apart']:.3f}")
        for label, one in case["types"].items():
            missing = [gene for gene in one["known"] if gene not in one["named"]]
            print(f"  {label}: {', '.join(one['genes'])}; by half {one['as_by_half']}; {missing}")
    print(table(found))


if __name__ == "__main__":
    main()
