"""What people read in the terminal: results made here by hand, so that each row can be foretold."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from cellport import screen
from cellport.ctrl_c import in_steps, remembered
from cellport.kernels import machine_code
from cellport.runtime.atlas.manifest import Structure, TrajectoryGraph
from cellport.runtime.export.api import Exported
from cellport.runtime.fetch.pull import Pulled
from cellport.runtime.fetch.registry import Entry
from cellport.runtime.map_files import Summary
from cellport.runtime.mapping.explain.genes import LabelReasons, SpeakingGene
from cellport.runtime.outlook import LabelOutlook
from cellport.runtime.rank import AtlasFit
from cellport.train.progress import Progress
from cellport.web.server.publish import Published, PublishedAtlas

Read = Callable[[], str]


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Read:
    """Words on stdout since it was asked last, as of a wide terminal; then those on stderr."""
    monkeypatch.setenv("COLUMNS", "300")

    def read() -> str:
        out, err = capsys.readouterr()
        return " ".join(out.split()) + (" | " + " ".join(err.split()) if err else "")

    return read


# --- mapping


def summary(**said: Any) -> Summary:
    plain: dict[str, Any] = {
        "n_cells": 0, "calls": {}, "quality": {}, "mean_prob": 0.0, "novel": None, "genes": [],
        "counts_from": [], "notes": [], "device": "cpu", "seconds": 2.0, "out": "out.csv",
    }  # fmt: skip
    return Summary(**plain | said)


def test_a_mapping_of_no_cells_without_labels(shown: Read) -> None:
    screen.mapped(summary())
    assert shown() == "0 cells in 2.0 s -> out.csv"
    # calls of no cells are no division by their number
    screen.mapped(summary(calls={"alpha": 0}))
    assert "alpha │ 0 │ 0.0%" in shown()


def test_a_mapping_with_all_that_it_can_say(shown: Read) -> None:
    calls = {f"type{at}": 40 - at for at in range(28)}
    screen.mapped(
        summary(
            n_cells=1000, calls=calls, quality={"ok": 900, "low_depth": 60, "empty": 40},
            mean_prob=0.876, report="r.html", lineage_genes="l.csv", pseudobulk="p.h5ad",
            parts=12, parts_kept=5,
        )
    )  # fmt: skip
    words = shown()
    assert "type0 │ 40 │ 4.0%" in words
    assert "type24 │ 16 │ 1.6%" in words
    assert "type25" not in words
    assert f"3 more │ {15 + 14 + 13} │" in words
    assert "mean probability of the best label: 0.88" in words
    assert "flagged: 60 low_depth, 40 empty" in words
    assert "1,000 cells in 2.0 s -> out.csv (12 parts, 5 of them there before)" in words
    for place in ("report: r.html", "genes along the lineages: l.csv", "summed counts: p.h5ad"):
        assert place in words


def test_what_is_not_there_is_not_spoken_of(shown: Read) -> None:
    screen.mapped(
        summary(
            n_cells=3, calls={f"t{at}": 1 for at in range(25)}, quality={"ok": 3}, parts=2,
            parts_kept=0,
        )
    )  # fmt: skip
    words = shown()
    assert "t24" in words
    assert words.endswith("3 cells in 2.0 s -> out.csv (2 parts)")
    for absent in ("more", "probability", "flagged", "before", "report", "lineages", "summed"):
        assert absent not in words


def test_a_query_and_its_notes_before_it_is_mapped(shown: Read) -> None:
    report = {"by_rule": {"symbol": 90, "alias": 0}, "n_matched": 90, "n_panel": 100,
              "column": "index"}  # fmt: skip
    facts = SimpleNamespace(counts_from="q.h5ad, X", n_cells=7, genes=report, notes=("Odd.",))
    for gpu, device in ((True, "cpu"), (False, "cpu"), (True, "cuda")):
        with screen.mapping() as view, remembered():
            view.started([SimpleNamespace(facts=facts, device=device, gpu_build=gpu)])
            view.cells(3)
            view.cells(7)
        words = shown()
        assert "q.h5ad, X: 7 cells; 90 of 100 atlas genes found in 'index' (90 by symbol)" in words
        assert "note: Odd." in words
        assert ("no usable CUDA card" in words) == (gpu and device == "cpu")
    in_steps(False)


def test_a_mapping_on_a_cluster_says_its_parts(shown: Read) -> None:
    report = {"by_rule": {}, "n_matched": 1, "n_panel": 2, "column": "index"}
    facts = SimpleNamespace(counts_from="q", n_cells=1234, genes=report, notes=())
    plan: Any = SimpleNamespace(
        queries=[SimpleNamespace(facts=facts)], n_cells=1234, parts=lambda: iter("abc")
    )
    with screen.mapping() as view:
        view.planned(plan)
    assert shown().endswith("1,234 cells in 3 parts")


def test_kernels_are_compiled_where_they_are_not(
    shown: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[int] = []
    monkeypatch.setattr(machine_code, "warmup", lambda: done.append(1))
    for is_compiled, words in ((True, ""), (False, " | Compiling, once for this installation ...")):
        monkeypatch.setattr(machine_code, "is_compiled", lambda answer=is_compiled: answer)
        screen.warm_up()
        assert shown() == words
    assert done == [1]


# --- training


def test_training_is_a_bar_for_people_and_ten_lines_for_a_log(
    shown: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = [Progress(at, 40, {"kl": 1 / (at + 1)}, note="Once." * (at == 2)) for at in range(41)]
    with screen.training("fitting") as on_progress:
        for step in steps:
            on_progress(step)
    words = shown()
    assert words.count("fitting: model, epoch") == 10
    assert words.count("note: Once.") == 1
    terminal = io.StringIO()
    console = Console(file=terminal, force_terminal=True, width=200)
    monkeypatch.setattr(screen, "_console", lambda **_: console)
    with screen.training("fitting") as on_progress:
        for step in steps:
            on_progress(step)
    assert "fitting: model" not in terminal.getvalue()
    assert "model, epoch 40/40" in terminal.getvalue()


# --- atlases


def test_atlases_by_name_and_how_they_came(shown: Read) -> None:
    packed = Entry("lung", "lung.cellport", None, "0" * 64, 2_345_678, "Lung cells")
    elsewhere = replace(packed, name="liver", file=None, url="https://example.org", size=0)
    screen.known([(packed, True), (elsewhere, True), (replace(elsewhere, name="skin"), False)])
    words = shown()
    assert "lung │ Lung cells │ 2.3 │ in the package" in words
    assert "liver │ Lung cells │ │ fetched" in words
    assert "skin │ Lung cells │ │ to be fetched" in words
    got = Pulled("/a.cellport", "lung", "f00", 2_345_678, "https://example.org", True, ("Old.",))
    screen.pulled(got)
    assert "lung (2.3 MB) fetched from https://example.org: /a.cellport sha256: f00" in shown()
    screen.pulled(replace(got, fetched=False, notes=()))
    assert shown() == "lung (2.3 MB) was here already: /a.cellport sha256: f00"


def test_a_site_of_several_atlases_names_each(shown: Read) -> None:
    others = (PublishedAtlas("two", "two/two.cellport", "2" * 64),)
    screen.published(Published("site", "one", "atlas/one.cellport", "1" * 64, 9, 1500000, others))
    said = f"one, two: 9 files, 1.5 MB -> site atlas/one.cellport, sha256: {'1' * 64}"
    assert shown() == f"{said} two/two.cellport, sha256: {'2' * 64}"


def test_an_atlas_tells_its_trajectory_as_far_as_a_line_goes(tiny_atlas: Any) -> None:
    names = tuple(f"c{at}" for at in range(12))
    for count, roots in ((8, ("c0 (asked)",)), (11, ())):
        edges = tuple((at, at + 1) for at in range(count))
        graph = TrajectoryGraph(names, edges, (count,), roots)
        rows = screen._shape(replace(tiny_atlas.manifest, structure=Structure(names, graph)))
        assert rows["clusters"] == "12"
        assert rows["trajectory"].endswith("c7 -> c8" + " and 3 more" * (count == 11))
        assert rows.get("starts at") == ("c0 (asked)" if roots else None)
    for nothing in (None, Structure(())):
        assert screen._shape(replace(tiny_atlas.manifest, structure=nothing)) == {}
    for why, told in (("", "none"), ("No root.", "none: No root.")):
        some = replace(tiny_atlas.manifest, structure=Structure(names, None, why))
        assert screen._shape(some)["trajectory"] == told


def test_a_sharpening_and_a_doubt_are_told_with_the_scores(tiny_atlas: Any) -> None:
    plain = tiny_atlas.manifest
    head, scores = plain.head, replace(plain.held_out, by="cell", cells=16, accuracy=0.5, sets=None)
    for temperature, told in ((1.0, False), (0.5, True)):
        cold = replace(head, calibration=replace(head.calibration, temperature=temperature))
        rows = screen._how_good(replace(plain, head=cold, held_out=scores))
        assert ("temperature 0.50 (below 1 sharpens them)" in rows["calibration"]) is told
        # 10 of 20: 0.5, with two standard errors of 0.11
        assert "on 16 cells: so few cells" in rows["held out"]
        assert rows["held out"].endswith("anything from 0.28 to 0.72")
        assert "label sets" not in rows
    assert screen._how_good(replace(plain, labels=(), held_out=None)) == {}


def test_bins_without_cells_are_no_rows(tiny_atlas: Any, shown: Read) -> None:
    scores = tiny_atlas.manifest.held_out
    full = replace(scores.reliability[0], low=0.25, high=0.5, cells=1234)
    screen._reliability(replace(scores, reliability=(replace(full, cells=0), full)))
    words = shown()
    assert "0.25 to 0.50 │ 1,234 │" in words
    assert words.count(" to ") == 1
    screen._reliability(replace(scores, reliability=(replace(full, cells=0),)))
    assert shown() == ""


# --- questions


def test_who_is_asked_is_shown_to_people(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    console = Console(file=terminal, force_terminal=True, width=80)
    monkeypatch.setattr(screen, "_console", lambda **_: console)
    with screen.asking() as on_atlas:
        on_atlas("lung")
    assert "asking lung" in terminal.getvalue()


def test_ranks_name_the_best_and_why_the_others_are_none(shown: Read) -> None:
    good = AtlasFit("lung", "Lung", "human", 40, genes=0.9, like=0.5, right=0.75, called=0.25,
                    types=3, score=0.625)  # fmt: skip
    bare = AtlasFit("foreign", "F", "human", 0, genes=0.5, score=0.1)
    gone = AtlasFit("mouse", refused="Other genes.")
    screen.ranked((good, bare, gone))
    words = shown()
    assert "lung │ human │ 90% │ 50% │ 25% │ 0.75 │ 3 of 40 │ 0.62" in words
    assert "foreign │ human │ 50% │ │ │ │ 0 of 0 │ 0.10" in words
    assert f"Best: lung. {good.sentence}" in words
    assert words.endswith("mouse: Other genes.")
    screen.ranked((gone,))
    words = shown()
    assert "Best" not in words
    assert words.endswith("mouse: Other genes.")


def test_an_outlook_says_what_would_help_and_what_is_unknown(shown: Read) -> None:
    row = LabelOutlook("alpha", 0.5, 0.4, 0.9, (("beta", 0.3), ("gamma", 0.2)))
    told: Any = SimpleNamespace(
        labels=(row,), sentence="Half.", merged=(("alpha", "beta"),), accuracy_merged=0.8,
        wanted=("CD4", "CD8A"), unknown=tuple(f"g{at}" for at in range(12)),
    )  # fmt: skip
    screen.outlook(told)
    words = shown()
    assert "alpha │ 50% │ 90% │ 0.40 │ beta 30%, gamma 20%" in words
    assert "Half. Not told apart: alpha, beta. With those as one, 80% of made-up cells" in words
    assert "Genes that would help most: CD4, CD8A." in words
    assert "12 names are not among the atlas's genes: g0, " in words
    assert words.endswith("g9, ...")
    told.unknown = told.unknown[:10]
    screen.outlook(told)
    assert shown().endswith("g8, g9")
    told.merged = told.wanted = told.unknown = ()
    screen.outlook(told)
    words = shown()
    assert words.endswith("Half.")


def test_reasons_of_types_and_of_cells(shown: Read) -> None:
    part = SpeakingGene("CD4", 1.0, 1.0, 0.5, 0.5)
    of_type = LabelReasons("alpha", "", "beta", 1234, 0.9, (part,), 0.25)
    screen.explained(explanation([of_type, replace(of_type, label="beta", genes=())]))
    words = shown()
    assert "label ┃ cells looked at" in words
    assert "alpha │ 1,234 │ beta │ CD4 │ 0.90, 0.25" in words
    assert "none spoke for it" in words
    assert "more in the table" not in words
    cells = [replace(of_type, cell=f"cell{at}", cells=1) for at in range(27)]
    screen.explained(explanation(cells))
    words = shown()
    assert "cell ┃ label" in words
    assert "cell24 │ alpha │ beta" in words
    assert "cell25" not in words
    assert words.endswith("2 more in the table that -o writes")


def explanation(reasons: list[LabelReasons]) -> Any:
    return SimpleNamespace(reasons=tuple(reasons))


def test_files_of_other_tools_and_what_to_know_of_them(shown: Read) -> None:
    screen.exported(Exported(("a.csv", "b.csv"), ("Left out.",)))
    assert shown() == "a.csv b.csv | note: Left out."


def change(category: str, p: float, **said: Any) -> Any:
    plain = {"kind": "call", "category": category, "level": "ill", "reference": "well", "p": p,
             "change": 1.0, "low": 0.0, "high": 2.0, "p_adjusted": p, "mean_reference": 0.125,
             "mean_level": 0.25}  # fmt: skip
    return SimpleNamespace(**plain | said)


def test_comparisons_go_by_p_and_those_without_come_last(shown: Read) -> None:
    nan = float("nan")
    none = change("gamma", nan, change=nan, low=nan, high=nan)
    found: Any = SimpleNamespace(
        composition=[none, change("beta", 0.5), change("alpha", 0.01),
                     change("other kind", 0.001, kind="cluster")],
        expression=[
            SimpleNamespace(type="alpha", level="ill", genes=None),
            SimpleNamespace(type="beta", level="ill", significant=2,
                            genes=pd.DataFrame({"gene": list("uvwxyz")})),
        ],
        notes=("Few samples.",),
    )  # fmt: skip
    screen.compared(found)
    words = shown()
    first, second, last = (words.index(f"{name} in ill") for name in ("alpha", "beta", "gamma"))
    assert first < second < last
    assert "alpha in ill │ well │ 12.5% │ 25.0% │ 2.00 │ 1.00 to 4.00 │ 0.01 │ 0.01" in words
    assert "gamma in ill │ well │ 12.5% │ 25.0% │ │ │ │" in words
    assert "other kind" not in words
    assert words.endswith("beta, ill: 2 of 6 genes change, first u, v, w, x, y Few samples.")
    found.composition, found.expression, found.notes = [], [], ()
    screen.compared(found)
    assert "alpha" not in shown()


def test_a_demonstration_says_how_it_went_and_where(shown: Read, tmp_path: Path) -> None:
    result: Any = SimpleNamespace(
        by_type={"B": (3, 4)}, accuracy=0.75, macro_f1=0.5, seconds=61.4,
        files={"atlas": str(tmp_path)},
    )  # fmt: skip
    screen.demo(result)
    words = shown()
    assert "B │ 4 │ 75%" in words
    assert f"accuracy 0.750, macro-F1 0.500, 61 s in all atlas: {tmp_path}" in words
