from __future__ import annotations

from dataclasses import replace

from cellport.runtime.atlas.file import AtlasFile
from cellport.train.export.card import write_card


def test_card_tells_accuracy_by_label_and_limits(tiny_atlas: AtlasFile) -> None:
    manifest = tiny_atlas.manifest
    card = write_card(manifest)
    held_out = manifest.training["held_out"]
    assert f"accuracy {held_out['accuracy']:.3f}" in card
    for label, entry in held_out["by_label"].items():
        assert f"| {label} | {entry['cells']} | {entry['recall']:.2f} |" in card
    assert f"under {manifest.thresholds['call_prob']:g} are called `unknown`" in card
    assert "licence: not stated" in card


def test_card_without_labels_or_scores(tiny_atlas: AtlasFile) -> None:
    training = {**tiny_atlas.manifest.training, "held_out": {"cells": 0}}
    card = write_card(
        replace(tiny_atlas.manifest, labels=(), parents={}, set_prob=(), training=training)
    )
    assert "labels: none" in card
    assert "Not measured" in card


def test_card_shows_what_was_measured(tiny_atlas: AtlasFile) -> None:
    held_out = {
        "cells": 1234,
        "by": "batch",
        "accuracy": 0.912,
        "macro_f1": 0.87,
        "ece": 0.021,
        "by_label": {
            "alpha": {"cells": 1200, "recall": 0.96},
            "beta": {"cells": 30, "recall": 0.4},
            "gamma": {"cells": 4, "recall": 0.0},
        },
        "reliability": [
            {"low": 0.0, "high": 0.5, "cells": 0, "confidence": 0.0, "accuracy": 0.0},
            {"low": 0.5, "high": 0.9, "cells": 234, "confidence": 0.74, "accuracy": 0.7},
            {"low": 0.9, "high": 1.0, "cells": 1000, "confidence": 0.98, "accuracy": 0.961},
        ],
        "conformal": {
            "level": 0.9,
            "coverage": 0.913,
            "mean_size": 1.2,
            "coverage_degraded": 0.894,
            "mean_size_degraded": 2.3,
        },
    }
    training = {
        **tiny_atlas.manifest.training,
        "held_out": held_out,
        "softness": 0.25,
    }
    card = write_card(
        replace(tiny_atlas.manifest, training=training, parents={"alpha": "both", "beta": "both"})
    )
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
    for name, value in tiny_atlas.manifest.thresholds.items():
        assert f"| `{name}` | {value:g} | " in card


def test_names_do_not_break_the_card(tiny_atlas: AtlasFile) -> None:
    scores = {"cells": 9, "accuracy": 1.0, "macro_f1": 1.0, "ece": 0.0}
    by_label = {"a|b\n# c <script>": {"cells": 9, "recall": 1.0}}
    training = {**tiny_atlas.manifest.training, "held_out": {**scores, "by_label": by_label}}
    card = write_card(replace(tiny_atlas.manifest, name="x\n# y", training=training))
    assert "| a\\|b # c &lt;script> | 9 | 1.00 |" in card
    assert card.startswith("# x # y\n")
    assert "<script>" not in card
    assert "No cells of these labels could be held out: alpha, beta, gamma." in card


def test_card_of_many_batches_stays_short(tiny_atlas: AtlasFile) -> None:
    card = write_card(replace(tiny_atlas.manifest, batches=tuple(f"b{i}" for i in range(500))))
    assert "b59 and 440 more" in card
    assert "b60" not in card
