"""Everything that is known of the samples of a study: who they are, their cells, their counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.base.hints import hint
from cellport.runtime.columns import (
    CALL,
    CLUSTER,
    EDGE,
    GROUP,
    GROUP_LABEL,
    LABEL,
    NOVEL,
    PROB,
    PSEUDOTIME,
    QUERY,
    UNKNOWN,
)
from cellport.runtime.compare.composition import Composition
from cellport.runtime.compare.counts import Queries, SampleCounts, joined
from cellport.runtime.compare.design import Samples
from cellport.runtime.compare.inputs import Result, text_of
from cellport.runtime.decisions import say, text, texts, whole
from cellport.runtime.errors import InputError
from cellport.runtime.mapping.gather.pseudobulk import CELLS

if TYPE_CHECKING:
    import pandas as pd

# what cells of each sample are counted by, and what that is called
_KINDS = {
    "call": CALL, "group": GROUP_LABEL, "own_cluster": GROUP, "cluster": CLUSTER, "edge": EDGE,
}  # fmt: skip
TYPE, STEP = "type", "pseudotime"
LIKE, UNLIKE = text("compare.like"), text("compare.unlike")
NOT_SURE = text("compare.not_sure")
_STEPS = whole("compare.steps")
_FEWEST_ON_WAY = whole("compare.fewest_on_way")
_FACTS = ("condition", "pairs", "batch")


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of the columns that a study is told by."""

    condition: str
    sample: str | None = None
    pairs: str | None = None
    batch: str | None = None
    type: str | None = None  # by which expression is compared

    @property
    def halves(self) -> bool:
        """Whether the cells of one condition of a sample are a sample each."""
        return self.pairs is not None and self.pairs == self.sample


@dataclass(frozen=True, slots=True)
class Sources:
    """Where columns are looked for beside the results."""

    queries: Queries | None = None  # that were mapped
    table: pd.DataFrame | None = None  # of samples, a line each


@dataclass(frozen=True, slots=True)
class Study:
    """What there is to compare."""

    samples: Samples
    compositions: tuple[Composition, ...]
    pseudotime: dict[str, dict[str, float]]  # by quantity and sample
    counts: SampleCounts | None  # None where none were given
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Rows:
    """Cells, or groups of them, and the sample of each."""

    frame: pd.DataFrame
    who: pd.DataFrame  # ``sample``, ``condition``, ``pairs``, ``batch``; '' where missing
    weight: NDArray[np.float64]  # how many cells a row is
    prob: pd.DataFrame | None = None  # sums of probabilities, [rows, labels]


def read_study(results: Sequence[Result], columns: Columns, sources: Sources) -> Study:
    """Bring together what results, the queries that were mapped and a table say of samples.

    Raises
    ------
    InputError
        A column is nowhere, or a sample is of two conditions.
    """
    import pandas as pd

    several = len(results) > 1
    who: list[pd.DataFrame] = []
    tables: dict[str, list[pd.DataFrame]] = {}
    times: list[pd.DataFrame] = []
    counts: list[SampleCounts] = []
    for result in results:
        cells, groups = _rows(result, columns, sources, several)
        for rows in (cells, groups):
            if rows is not None:
                known = rows.who.assign(cells=rows.weight)
                who.append(known if rows is cells or cells is None else known.assign(cells=0.0))
        for kind, table in _counted(cells, groups):
            tables.setdefault(kind, []).append(table)
        if cells is not None and PSEUDOTIME in cells.frame:
            times.append(_times(cells))
        if sources.queries is not None and cells is not None:
            by_type = text_of(cells.frame[_type_column(cells.frame.columns, columns)])
            sample = cells.who["sample"].to_numpy(object)
            counts.append(sources.queries.summed(cells.frame.index, sample, by_type))
        elif groups is not None and result.summed is not None:
            key = _type_column(result.summed.columns, columns)
            if key in result.summed.columns:
                by_type = text_of(groups.frame[key])
                sample = groups.who["sample"].to_numpy(object)
                counts.append(SampleCounts.of(result.summed, sample, by_type))
    together = pd.concat(who)
    samples, notes = _samples(together, columns)
    quantities = {}
    on_way = [one[one["sample"].isin(samples.names)] for one in times]
    if any(map(len, on_way)):
        moments = pd.concat(on_way)
        tables[STEP], quantities = [_steps(moments)], _quantities(moments)
    return Study(
        samples,
        tuple(_composition(kind, made, samples) for kind, made in tables.items()),
        quantities,
        joined(counts).without_type(UNKNOWN) if counts else None,
        tuple(notes),
    )


def _rows(
    result: Result, columns: Columns, sources: Sources, several: bool
) -> tuple[_Rows | None, _Rows | None]:
    """Cells and groups of a result; None for those that do not say of which sample they are."""
    cells = groups = None
    if result.cells is not None:
        who = _who(result.cells, result, columns, sources, several)
        if who is not None:
            cells = _Rows(result.cells, who, np.ones(len(who)))
    summed = result.summed
    if summed is not None:
        alone = replace(sources, queries=None)
        who = _who(summed.groups, result, columns, alone, several)
        if who is not None:
            weight = summed.groups[CELLS].to_numpy(float)
            groups = _Rows(summed.groups, who, weight, summed.probabilities)
    if cells is None and groups is None:
        raise InputError(_nowhere(result, columns, sources))
    return cells, groups


def _who(
    frame: pd.DataFrame, result: Result, columns: Columns, sources: Sources, several: bool
) -> pd.DataFrame | None:
    """Sample, condition, pair and batch of each row; None where they are not told."""
    import pandas as pd

    def column(name: str) -> NDArray[np.object_] | None:
        if name in frame:
            return text_of(frame[name])
        return None if sources.queries is None else sources.queries.column(name, frame.index)

    if columns.sample is not None:
        names = column(columns.sample)
    elif several:
        names = np.full(len(frame), result.stem, object)
    else:
        names = column(QUERY)
    if names is None:
        return None
    found = {"sample": names}
    for what in _FACTS:
        name = getattr(columns, what)
        if name is None:
            found[what] = np.full(len(frame), "", object)
        elif sources.table is not None and name in sources.table:
            known = sources.table[name].to_dict()
            found[what] = np.array([known.get(one, "") for one in names], object)
        else:
            values = column(name)
            if values is None:
                return None
            found[what] = values
    who = pd.DataFrame(found, index=frame.index)
    if columns.halves:
        whole = (who["sample"] != "") & (who["condition"] != "")
        who["sample"] = np.where(whole, who["sample"] + " | " + who["condition"], "")
    who.loc[who["condition"] == "", "sample"] = ""
    return who


def _nowhere(result: Result, columns: Columns, sources: Sources) -> str:
    if columns.sample is None:
        return f"{result.title} is one file: name the column that tells samples apart as --sample."
    there: list[str] = []
    for frame in (result.cells, None if result.summed is None else result.summed.groups):
        there += [] if frame is None else [str(name) for name in frame.columns]
    there += [] if sources.queries is None else sources.queries.columns
    there += [] if sources.table is None else list(sources.table.columns)
    wanted = [columns.sample, *(getattr(columns, what) for what in _FACTS)]
    missing = next(
        (name for name in wanted if name is not None and name not in there), columns.condition
    )
    return (
        f"{result.title}: there is no column '{missing}'. A result of cellport map holds what it "
        "found and not the query's own columns: give the files that were mapped as --counts, or "
        "map with --pseudobulk SAMPLE,CONDITION,cellport_call, or give a table with a line a "
        f"sample as --samples. {hint(missing, there)}"
    )


def _type_column(there: Iterable[str], columns: Columns) -> str:
    if columns.type is not None:
        return columns.type
    names = list(there)
    return next((name for name in (CALL, LABEL, GROUP_LABEL, CLUSTER) if name in names), CALL)


def _counted(cells: _Rows | None, groups: _Rows | None) -> Iterable[tuple[str, pd.DataFrame]]:
    """Tables of samples by categories, by kind."""
    import pandas as pd

    rows = cells if cells is not None else groups
    assert rows is not None
    sample = rows.who["sample"].to_numpy(object)
    if groups is not None and groups.prob is not None:
        yield TYPE, groups.prob.groupby(groups.who["sample"].to_numpy(object)).sum()
    elif LABEL in rows.frame:
        label, weight = text_of(rows.frame[LABEL]), rows.weight
        prob = np.ones(len(weight))
        if PROB in rows.frame:
            prob = np.nan_to_num(rows.frame[PROB].to_numpy(float))
        table = _crossed(sample, label, weight * prob).drop(columns=UNKNOWN, errors="ignore")
        rest = pd.Series(weight * (1 - prob)).groupby(sample).sum()
        unknown = pd.Series(weight * prob * (label == UNKNOWN)).groupby(sample).sum()
        if PROB in rows.frame:
            table[NOT_SURE] = rest + unknown
        yield TYPE, table
    for kind, column in _KINDS.items():
        if column in rows.frame:
            yield kind, _crossed(sample, text_of(rows.frame[column]), rows.weight)
    if NOVEL in rows.frame:
        yield from _novel(rows, sample)


def _novel(rows: _Rows, sample: NDArray[np.object_]) -> Iterable[tuple[str, pd.DataFrame]]:
    """Cells unlike the atlas, beside all others and, by the type nearest to them, beside calls."""
    novel = np.isin(text_of(rows.frame[NOVEL]), ("yes", "True"))
    yield "novel", _crossed(sample, np.where(novel, UNLIKE, LIKE).astype(object), rows.weight)
    if CALL in rows.frame and LABEL in rows.frame:
        call, label = text_of(rows.frame[CALL]), text_of(rows.frame[LABEL])
        near = {one: say("compare.unlike_near", label=one) for one in set(label)}
        group = np.where(novel, [near[one] for one in label], call)
        yield "novel_group", _crossed(sample, group.astype(object), rows.weight)


def _crossed(
    sample: NDArray[np.object_], category: NDArray[np.object_], weight: NDArray[np.float64]
) -> pd.DataFrame:
    import pandas as pd

    known = category != ""
    summed = pd.Series(weight[known]).groupby([sample[known], category[known]]).sum()
    return summed.unstack(fill_value=0.0)


def _times(cells: _Rows) -> pd.DataFrame:
    """Sample, pseudotime and call of the cells on the trajectory."""
    import pandas as pd

    time = cells.frame[PSEUDOTIME].to_numpy(float)
    on_way = np.isfinite(time) & (cells.who["sample"] != "").to_numpy()
    call = text_of(cells.frame[CALL]) if CALL in cells.frame else np.full(len(time), "", object)
    made = {"sample": cells.who["sample"].to_numpy(object), "time": time, "call": call}
    return pd.DataFrame(made)[on_way]


def _steps(times: pd.DataFrame) -> pd.DataFrame:
    """Cells of each sample in steps of pseudotime."""
    step = np.clip((times["time"].to_numpy() * _STEPS).astype(int), 0, _STEPS - 1)
    ends = [f"{at / _STEPS:.1f}" for at in range(_STEPS + 1)]
    names = np.array([say("compare.step", **{"from": a, "to": b}) for a, b in pairwise(ends)])
    sample = times["sample"].to_numpy(object)
    return _crossed(sample, names[step].astype(object), np.ones(len(step)))


def _quantities(times: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Mean and quartiles of the pseudotime of each sample, and means within types."""

    def enough(group: pd.Series) -> pd.Series:
        return group[times.groupby(group_by)["time"].size() >= _FEWEST_ON_WAY]

    group_by: list[str] = ["sample"]
    by_sample = times.groupby(group_by)["time"]
    moments = [by_sample.mean(), *(by_sample.quantile(at) for at in (0.25, 0.5, 0.75))]
    named = zip(texts("compare.on_way"), moments, strict=True)
    found = {name: enough(values).to_dict() for name, values in named}
    group_by = ["call", "sample"]
    within = enough(times.groupby(group_by)["time"].mean())
    for call in sorted(set(times["call"]) - {"", UNKNOWN}):
        if call in within.index.get_level_values(0):
            found[say("compare.mean_within", type=call)] = within.loc[call].to_dict()
    return found


def _samples(who: pd.DataFrame, columns: Columns) -> tuple[Samples, list[str]]:
    """Return the samples, each with its one condition, pair and batch."""
    notes = []
    lost = who.loc[who["sample"] == "", "cells"].sum()
    if lost:
        notes.append(say("compare.left_out", lost=int(lost), cells=int(who["cells"].sum())))
    known = who[who["sample"] != ""]
    if not len(known):
        raise InputError(say("compare.no_cells"))
    facts = {what: _one_each(known, what, columns) for what in _FACTS}
    names = sorted(facts["condition"], key=lambda name: (facts["condition"][name], name))
    for what in ("pairs", "batch"):
        without = [name for name in names if not facts[what][name]]
        if getattr(columns, what) is not None and without:
            told = {"column": getattr(columns, what), "listed": ", ".join(without[:5])}
            notes.append(
                say("compare.without_value", without=len(without), samples=len(names), **told)
            )
            names = [name for name in names if name not in without]

    def of(what: str) -> tuple[str, ...] | None:
        asked = getattr(columns, what) is not None
        return tuple(facts[what][name] for name in names) if asked else None

    condition = of("condition")
    assert condition is not None
    return Samples(tuple(names), condition, of("pairs"), of("batch")), notes


def _one_each(who: pd.DataFrame, what: str, columns: Columns) -> dict[str, str]:
    values = who.groupby("sample")[what].unique()
    for sample, found in values.items():
        if len(found) > 1:
            told = {"sample": sample, "one": found[0], "other": found[1]}
            if what == "condition":
                raise InputError(say("compare.two_conditions", **told))
            raise InputError(say("compare.several_values", column=getattr(columns, what), **told))
    return {str(sample): str(found[0]) for sample, found in values.items()}


def _composition(kind: str, tables: Sequence[pd.DataFrame], samples: Samples) -> Composition:
    whole = tables[0]
    for table in tables[1:]:
        whole = whole.add(table, fill_value=0.0)
    whole = whole.reindex(list(samples.names)).fillna(0.0)
    kept = whole.loc[:, whole.sum(axis=0) > 0]
    names = [str(name) for name in kept.columns]
    return Composition(kind, tuple(names), samples.names, kept.to_numpy(float))
