"""What is known of the order of cells, and how pseudotime is compared with it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, spearmanr
from sklearn.isotonic import IsotonicRegression

from benchmarks.structure.cases import PAUL_ORDER, PAUL_STEP, Case

LEVEL = 0.9


def known_order(case: Case) -> dict[str, NDArray[np.floating]]:
    """Lineages of a dataset: true pseudotime or stage of each cell, NaN where it is on another."""
    obs = case.cells.obs
    if "pseudotime" in obs:
        return {"": obs["pseudotime"].to_numpy(float)}
    if "stage" in obs:
        return {"": obs["stage"].to_numpy(float)}
    orders = {}
    for lineage, names in PAUL_ORDER.items():
        own = {name: float(number) for number, name in enumerate(names)}
        step = own if lineage == "erythroid" else {name: float(PAUL_STEP[name]) for name in names}
        orders[lineage] = np.array([step.get(str(name), np.nan) for name in case.label])
    return orders


def ranked(case: Case, rows: NDArray[np.int64], time: NDArray[np.floating]) -> dict[str, float]:
    """Spearman's correlation of pseudotime with the truth, by lineage; their mean as ``mean``."""
    found = {}
    for lineage, order in known_order(case).items():
        on = np.isfinite(order[rows])
        rho = spearmanr(time[on], order[rows][on]).statistic
        found[lineage or "all"] = round(float(rho), 4)
    return found | {"mean": round(float(np.mean(list(found.values()))), 4)}


def coverage(
    case: Case,
    trained: NDArray[np.int64],
    time_of_trained: NDArray[np.floating],
    unseen: NDArray[np.int64],
    time: NDArray[np.floating],
    sd: NDArray[np.floating],
) -> float:
    """Share of unseen cells whose 90 % interval holds the truth.

    Truth has another scale than pseudotime. Where it is continuous, isotonic regression over the
    cells trained on says where on the scale of pseudotime it lies. A stage is a stretch of
    pseudotime, cut where the cells trained on change stage if they are ordered without error;
    whether an interval holds a stage is a matter of chance in part, whose expectation is taken.

    References
    ----------
    Czado, Gneiting, Held 2009, Biometrics (the probability integral transform of counts).
    """
    order = next(iter(known_order(case).values()))
    known, of_unseen = np.isfinite(order[trained]), np.isfinite(order[unseen])
    before, after = order[trained][known], order[unseen][of_unseen]
    time_before, time, sd = time_of_trained[known], time[of_unseen], sd[of_unseen]
    if "pseudotime" in case.cells.obs:
        place = IsotonicRegression(out_of_bounds="clip").fit(before, time_before).predict(after)
        half = norm.ppf((1 + LEVEL) / 2) * sd
        return round(float((np.abs(time - place) <= half).mean()), 4)
    stages, number = np.unique(before, return_counts=True)
    cuts = np.quantile(time_before, np.concatenate([[0], np.cumsum(number) / number.sum()]))
    cuts[0], cuts[-1] = -np.inf, np.inf
    stage = np.searchsorted(stages, after)
    low, high = (norm.cdf((cuts[stage + more] - time) / sd) for more in (0, 1))
    inside = np.minimum(high, (1 + LEVEL) / 2) - np.maximum(low, (1 - LEVEL) / 2)
    return round(float((np.maximum(inside, 0) / np.maximum(high - low, 1e-12)).mean()), 4)


def shown_names(summary: dict[str, Any]) -> dict[str, str]:
    """Name by which each milestone goes; the far side of a circle, named twice, is one."""
    names = summary["milestones"]
    far_side = {name for pair in summary["same_place"] for name in (names[i] for i in pair)}
    return {name: name.rpartition(" (")[0] if name in far_side else name for name in names}


def milestone_graph(case: Case) -> Counter[frozenset[str]] | None:
    """Edges between the ends and branchings of the true graph; None where it is not known."""
    if "milestone_graph" in case.cells.uns:
        return Counter(frozenset(edge) for edge in case.cells.uns["milestone_graph"])
    if "milestone_edges" not in case.cells.uns:
        return None
    edges = [tuple(int(end) for end in edge) for edge in case.cells.uns["milestone_edges"]]
    while True:
        joints = np.bincount(np.ravel(edges))
        on_the_way = np.flatnonzero(joints == 2)
        if not len(on_the_way):
            return Counter(frozenset(f"milestone_{end}" for end in edge) for edge in edges)
        vertex = int(on_the_way[0])
        touching = [edge for edge in edges if vertex in edge]
        ends = [end for edge in touching for end in edge if end != vertex]
        edges = [edge for edge in edges if vertex not in edge] + [(ends[0], ends[1])]
