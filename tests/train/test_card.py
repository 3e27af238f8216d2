from __future__ import annotations

from dataclasses import replace

from cellport.runtime.atlas_file import AtlasFile
from cellport.train.card import write_card


def test_card_tells_accuracy_by_label_and_limits(tiny_atlas: AtlasFile) -> None:
    manifest = tiny_atlas.manifest
    card = write_card(manifest)
    held_out = manifest.training["held_out"]
    assert f"accuracy {held_out['accuracy']:.3f}" in card
    for label, entry in held_out["by_label"].items():
        assert f"| {label} | {entry['cells']} | {entry['recall']:.2f} |" in card
    assert "under 0.5 are called `unknown`" in card
    assert "licence: not stated" in card


def test_card_without_labels_or_scores(tiny_atlas: AtlasFile) -> None:
    training = {**tiny_atlas.manifest.training, "held_out": {"cells": 0}}
    card = write_card(replace(tiny_atlas.manifest, labels=(), parents=(), training=training))
    assert "labels: none" in card
    assert "Not measured" in card


def test_card_of_many_batches_stays_short(tiny_atlas: AtlasFile) -> None:
    card = write_card(replace(tiny_atlas.manifest, batches=tuple(f"b{i}" for i in range(500))))
    assert "b59 and 440 more" in card
    assert "b60" not in card
