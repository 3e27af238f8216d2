from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.atlas.manifest import (
    Calibration,
    HeldOut,
    LabelScore,
    ReliabilityBin,
    SetScores,
    Structure,
    TrajectoryGraph,
)
from cellport.train.export.card import write_card


def test_card_tells_accuracy_by_label_and_limits(tiny_atlas: AtlasFile) -> None:
    manifest = tiny_atlas.manifest
    card = write_card(manifest)
    held_out = manifest.held_out
    assert held_out is not None
    assert f"accuracy {held_out.accuracy:.3f}" in card
    for label, entry in held_out.by_label.items():
        assert f"| {label} | {entry.cells} | {entry.recall:.2f} |" in card
    assert f"under {manifest.thresholds.call_prob:g} are called `unknown`" in card
    assert "licence: not stated" in card
    assert "authors" not in card


def test_card_says_where_the_atlas_comes_from(tiny_atlas: AtlasFile) -> None:
    made = replace(
        tiny_atlas.manifest.provenance,
        source="GSE131907",
        authors="Kim et al.",
        licence="CC BY 4.0",
        attribution="Cells of Kim et al. 2020",
        limits="Healthy lungs alone.",
    )
    card = write_card(replace(tiny_atlas.manifest, provenance=made))
    assert "- counts from: GSE131907\n- authors: Kim et al.\n" in card
    assert "- licence: CC BY 4.0\n- attribution: Cells of Kim et al. 2020\n" in card
    assert "## Limits\n\n- Healthy lungs alone.\n" in card


def test_card_without_labels_or_scores(tiny_atlas: AtlasFile) -> None:
    manifest = replace(tiny_atlas.manifest, parents={}, held_out=None)
    assert "Not measured" in write_card(manifest)
    head = replace(manifest.head, kind="none", set_prob=())
    card = write_card(replace(manifest, labels=(), head=head))
    assert "labels: none" in card
    assert "It has no labels" in card
    # nothing is said of labels that it has not
    words = ("probabilit", "called", "types", "set_level", "call_prob", "labels are right")
    assert [word for word in words if word in card] == []


@pytest.mark.parametrize("labels", [True, False])
def test_card_warns_of_what_makes_its_figures_too_good(tiny_atlas: AtlasFile, labels: bool) -> None:
    manifest = tiny_atlas.manifest
    told = {**manifest.provenance.training, "cautions": ["Cells are there <twice>.", "So."]}
    manifest = replace(manifest, provenance=replace(manifest.provenance, training=told))
    card = write_card(manifest if labels else replace(manifest, labels=(), held_out=None))
    assert "## Limits\n\n- Cells are there &lt;twice>.\n- So.\n- It " in card


@pytest.mark.parametrize("odd", [None, "word", 3, {"a": 1}])
def test_cautions_of_another_shape_are_none(tiny_atlas: AtlasFile, odd: object) -> None:
    made = replace(tiny_atlas.manifest.provenance, training={"cautions": odd})
    assert made.cautions == ()


def test_card_shows_what_was_measured(tiny_atlas: AtlasFile) -> None:
    held_out = HeldOut(
        by="batch",
        cells=1234,
        accuracy=0.912,
        macro_f1=0.87,
        ece=0.021,
        by_label={
            "alpha": LabelScore(1200, 0.96),
            "beta": LabelScore(30, 0.4),
            "gamma": LabelScore(4, 0.0),
        },
        reliability=(
            ReliabilityBin(0.0, 0.5, 0, 0.0, 0.0),
            ReliabilityBin(0.5, 0.9, 234, 0.74, 0.7),
            ReliabilityBin(0.9, 1.0, 1000, 0.98, 0.961),
        ),
        sets=SetScores(0.9, 0.913, 1.2, 0.894, 2.3),
    )
    head = replace(tiny_atlas.manifest.head, calibration=Calibration("left_out_batches", 0.25))
    parents = {"alpha": "both", "beta": "both"}
    card = write_card(replace(tiny_atlas.manifest, held_out=held_out, head=head, parents=parents))
    for line in (
        "On 1,234 cells of batches kept out of training: accuracy 0.912, macro-F1 0.870",
        "| alpha | 1200 | 0.96 | ██████████ |",
        "| beta | 30 | 0.40 | ████░░░░░░ |",
        "Fewer than 10 cells stand behind 1 of these figures.",
        "| 0.50 to 0.90 | 234 | 0.74 | 0.70 | ███████░░░ |",
        "| 0.90 to 1.00 | 1,000 | 0.98 | 0.96 |",
        "(1 + 0.25 x)",
        "short of genes: 89.4%, with 2.30",
        "hold the true label of 90% of cells. On the held-out cells they hold it for 91.3%",
        "1.20 labels in a set",
        "- groups that unsure cells fall back to: both (alpha, beta)",
        "More than half of the cells of these labels were missed: beta.",
        "or by the group they surely belong to",
        "from batches it did not see",
    ):
        assert line in card
    assert "0.00 to 0.50" not in card


def test_card_states_every_threshold(tiny_atlas: AtlasFile) -> None:
    card = write_card(tiny_atlas.manifest)
    for name, value in asdict(tiny_atlas.manifest.thresholds).items():
        assert f"| `{name}` | {value:g} | " in card


def test_names_do_not_break_the_card(tiny_atlas: AtlasFile) -> None:
    by_label = {"a|b\n# c <script>": LabelScore(9, 1.0)}
    held_out = HeldOut("cell", 9, 1.0, 1.0, 0.0, by_label, (), None)
    card = write_card(replace(tiny_atlas.manifest, name="x\n# y", held_out=held_out))
    assert "| a\\|b # c &lt;script> | 9 | 1.00 |" in card
    assert card.startswith("# x # y\n")
    assert "<script>" not in card
    assert "No cells of these labels could be held out: alpha, beta, gamma." in card


def test_card_of_many_batches_stays_short(tiny_atlas: AtlasFile) -> None:
    card = write_card(replace(tiny_atlas.manifest, batches=tuple(f"b{i}" for i in range(500))))
    assert "b59 and 440 more" in card
    assert "b60" not in card


@pytest.mark.parametrize(("cells", "said"), [(1, "0.00 to 0.84"), (30, "0.73 to 0.97"), (50, "")])
def test_card_says_when_few_cells_stand_behind_it(
    tiny_atlas: AtlasFile, cells: int, said: str
) -> None:
    measured = tiny_atlas.manifest.held_out
    assert measured is not None
    few = replace(measured, cells=cells, accuracy=0.0 if cells == 1 else 0.9)
    card = write_card(replace(tiny_atlas.manifest, held_out=few))
    assert ("rest on so few cells" in card) == bool(said)
    assert said in card


def test_card_says_where_the_trajectory_starts(tiny_atlas: AtlasFile) -> None:
    graph = TrajectoryGraph(("stem", "tip"), ((0, 1),), (1,), ("stem (the cell a|b)",))
    manifest = replace(tiny_atlas.manifest, structure=Structure(("0",), graph))
    assert "- trajectory: leads to tip; starts at stem (the cell a\\|b)\n" in write_card(manifest)
