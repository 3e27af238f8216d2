"""The page compares conditions as Python does, with samples as the replicates."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
from visits import visit

from cellport.runtime.compare.composition import Change, changes, mean_changes
from cellport.runtime.compare.design import designs
from cellport.runtime.compare.inputs import Result
from cellport.runtime.compare.study import Columns, Sources, read_study
from cellport.runtime.decisions import words
from cellport.runtime.errors import InputError
from cellport.runtime.mapping.atlas import Atlas

# samples of each condition: enough, too few, and of three conditions, of one
ARRANGED: tuple[dict[str, int], ...] = (
    {"ctrl": 3, "ill": 3},
    {"ill": 4, "Healthy": 9},
    {"a": 2, "b": 2},
    {"a": 1, "b": 5},
    {"a": 1, "b": 1},
    {"x": 4, "wild-type": 1, "wt": 6, "y": 3},
    {"a": 5},
    {"a": 2, "b": 3},
)


def test_conditions_are_compared_alike(tmp_path: Path, compute_again: Callable[..., None]) -> None:
    cases = [
        case(arranged, seed, **odd)
        for seed, arranged in enumerate(ARRANGED)
        for odd in ({}, {"prob": False}, {"types": 2}, {"gaps": True}, {"empty": True})
    ]
    cases += [case(ARRANGED[0], 50 + seed, types=12) for seed in range(20)]
    cases += [case(ARRANGED[0], 99, mixed=True), case(ARRANGED[0], 98, types=1, prob=False)]
    cases += [case(ARRANGED[5], 97, reference="y")]
    for seed, arranged in enumerate(ARRANGED):
        for held in ({"pairs": "patient"}, {"batch": "run"}, {"pairs": "patient", "batch": "run"}):
            cases += [
                case(arranged, 200 + seed, **held),
                case(arranged, 300 + seed, gaps=True, **held),
            ]
    cases += [
        case(ARRANGED[0], 400, pairs="who", mixed=True),
        case(ARRANGED[1], 401, batch="state"),
        case(ARRANGED[0], 402, batch="loose"),
        case(ARRANGED[0], 403, pairs="loose"),
    ]
    kinds = {one["kind"] for found in cases for one in found["compositions"]}
    assert kinds | {"pseudotime mean"} == set(words("compare.kinds"))
    left_out = [note for found in cases for notes in found["leftOut"] for note in notes]
    assert any("pairs have no sample" in note for note in left_out)
    assert any("never in one batch" in str(found["changes"]) for found in cases)
    told = [one for found in cases for rows in found["changes"].values() for one in rows]
    assert {one["p"] is None for one in told} == {True, False}
    assert sum(one["error"] is not None for one in cases) >= 5
    (tmp_path / "compared.json").write_text(json.dumps(cases))
    compute_again(tmp_path, "same_comparison")


def case(
    arranged: dict[str, int],
    seed: int,
    *,
    types: int = 5,
    prob: bool = True,
    gaps: bool = False,
    empty: bool = False,
    mixed: bool = False,
    pairs: str | None = None,
    batch: str | None = None,
    reference: str | None = None,
) -> dict[str, Any]:
    """A made-up study, and what Python makes of it."""
    frame = study(np.random.default_rng(seed), arranged, types, prob)
    if gaps:
        frame.loc[::7, "state"] = ""
        frame.loc[::11, "who"] = ""
        frame.loc[frame["who"] == "s1", ["patient", "run"]] = ""
    if empty:
        # a sample without a single cell that is called or clustered
        frame.loc[frame["who"] == "s0", ["cellport_call", "cellport_cluster"]] = ""
    if mixed:
        frame.loc[3, "state"] = "other"
    own = [name for name in frame if name.startswith("cellport_")]
    stated = {
        "columns": {
            name: [None if value != value else value for value in frame[name].tolist()]
            for name in own
        },
        "sample": frame["who"].tolist(),
        "condition": frame["state"].tolist(),
        "pairs": pairs and (pairs, frame[pairs].tolist()),
        "batch": batch and (batch, frame[batch].tolist()),
        "reference": reference,
        "error": None,
        "notes": [],
        "samples": [],
        "compositions": [],
        "changes": {},
        "leftOut": [],
    }
    try:
        columns = Columns("state", "who", pairs, batch)
        found = read_study([Result("made.csv", "made", frame, None)], columns, Sources())
        asked = designs(found.samples, reference)
    except InputError as error:
        return stated | {"error": str(error)}
    of_kinds = {
        one.kind: [told(change) for design in asked for change in changes(one, design)]
        for one in found.compositions
    }
    kind = "pseudotime mean"
    means = [c for design in asked for c in mean_changes(kind, found.pseudotime, design)]
    return stated | {
        "notes": list(found.notes),
        "samples": list(found.samples.names),
        "compositions": [
            {"kind": one.kind, "categories": list(one.categories), "cells": one.cells.tolist()}
            for one in found.compositions
        ],
        "changes": of_kinds | {kind: [told(change) for change in means]},
        "leftOut": [list(design.notes) for design in asked],
    }


def study(
    rng: np.random.Generator, arranged: dict[str, int], types: int, prob: bool
) -> pd.DataFrame:
    parts = []
    for condition, n in arranged.items():
        for at in range(n):
            sample = f"s{len(parts)}"
            shares = rng.dirichlet(np.r_[np.full(types, 3.0), 0.01])
            label = rng.choice([*(f"T{i}" for i in range(types)), "unknown"], 60, p=shares)
            columns = {"who": sample, "state": condition, "cellport_label": label}
            columns |= {"patient": f"p{at}", "run": f"r{at % 2}"}
            columns["loose"] = rng.choice(["a", "b"], 60)
            if prob:
                sure = rng.random(60).astype(np.float32).astype(float)
                columns["cellport_prob"] = np.where(label == "unknown", 0, sure)
            columns["cellport_call"] = np.where(rng.random(60) < 0.2, "unknown", label)
            columns["cellport_cluster"] = rng.choice(["0", "1", "10"], 60)
            columns["cellport_group_label"] = rng.choice(["T0", "T1", ""], 60)
            columns["cellport_group"] = rng.choice(["g0", "g1"], 60)
            columns["cellport_edge"] = rng.choice(["a → b", "b → c", ""], 60)
            columns["cellport_novel"] = rng.random(60) < 0.1
            # a sample has ten cells on the way or has not
            on_way = rng.random(60) < rng.choice([0.0, 0.15, 0.9])
            time = np.where(on_way, rng.random(60), np.nan)
            columns["cellport_pseudotime"] = time.astype(np.float32).astype(float)
            parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def told(change: Change) -> dict[str, Any]:
    """As the page has it."""

    def known(number: float) -> float | None:
        return None if number != number else number

    return {
        "category": change.category,
        "reference": change.reference,
        "level": change.level,
        "meanReference": known(change.mean_reference),
        "meanLevel": known(change.mean_level),
        "change": known(change.change),
        "low": known(change.low),
        "high": known(change.high),
        "p": known(change.p),
        "pAdjusted": known(change.p_adjusted),
        "note": change.note,
    }


def test_on_the_page(site: str, lung: tuple[Atlas, Path], tmp_path: Path) -> None:
    """A sentence, a bar a sample, numbers; and where samples are too few, what is needed."""
    atlas, query = lung
    path = arranged_cells(query, tmp_path / "arranged.h5ad")
    out = visit(
        site,
        tmp_path,
        ["verified"],
        ["offline"],
        ["choose", [str(path)]],
        ["mapped"],
        ["select", ["#compare-sample", "who"]],
        ["select", ["#compare-condition", "state"]],
        ["wait", 500],
        ["text", ["first", "#conditions .told-first"]],
        ["count", ["bars", "#conditions .stacked"]],
        ["save", ["types.csv", "#conditions details .csv >> nth=0"]],
        ["axe", "compared"],
        ["select", ["#compare-reference", "ill"]],
        ["wait", 500],
        ["text", ["against", "#conditions details tbody td >> nth=0"]],
        ["select", ["#compare-batch", "run"]],
        ["wait", 500],
        ["save", ["held.csv", "#conditions details .csv >> nth=0"]],
        ["select", ["#compare-batch", "No batches"]],
        ["select", ["#compare-sample", "run"]],
        ["select", ["#compare-pairs", "run"]],
        ["wait", 500],
        ["count", ["halves", "#conditions .stacked"]],
        ["select", ["#compare-pairs", "No pairs"]],
        ["select", ["#compare-sample", "who"]],
        ["select", ["#compare-condition", "half"]],
        ["wait", 500],
        ["text", ["refused", "#conditions .groups"]],
        ["select", ["#compare-sample", "few"]],
        ["select", ["#compare-condition", "state of few"]],
        ["wait", 500],
        ["text", ["few", "#conditions .groups"]],
    )
    said = out["values"]
    frame = atlas.map(path).to_anndata().obs.join(anndata.read_h5ad(path).obs[["who", "state"]])
    result = Result("arranged.h5ad", "arranged", frame, None)
    found = read_study([result], Columns("state", "who"), Sources())
    (design,) = designs(found.samples)
    own = changes(found.compositions[0], design)
    table = pd.read_csv(tmp_path / "types.csv", index_col=0)
    assert table.index.tolist() == [change.category for change in own]
    np.testing.assert_allclose(table["Times"], [2**c.change for c in own], rtol=1e-3)
    np.testing.assert_allclose(table["p"], [c.p for c in own], rtol=1e-2)
    assert said["bars"] == len(found.samples)
    held = pd.read_csv(tmp_path / "held.csv", index_col=0)
    assert (held["p"] != table["p"]).any()
    assert said["halves"] == 4
    sure = any(change.p_adjusted < 0.05 for change in own)
    assert said["first"].startswith("Types whose share" if sure else "No type changes")
    assert said["against"] == "ill"
    assert "a sample is of one condition" in said["refused"]
    assert "No p-value: 'ctrl' has 1 sample." in said["few"]
    assert said["compared"] == []


def arranged_cells(query: Path, path: Path) -> Path:
    """Cells of made-up donors, of two conditions."""
    cells = anndata.read_h5ad(query)
    donor = np.arange(cells.n_obs) % 6
    cells.obs["who"] = [f"donor {one}" for one in donor]
    cells.obs["run"] = [f"run {one}" for one in donor % 2]
    cells.obs["state"] = np.where(donor < 3, "ctrl", "ill")
    cells.obs["half"] = np.where(np.arange(cells.n_obs) % 5, "one", "other")
    cells.obs["few"] = [f"pool {min(one, 1)}" for one in donor]
    cells.obs["state of few"] = np.where(donor < 1, "ctrl", "ill")
    cells.write_h5ad(path)
    return path
