"""The atlas card: the README inside the atlas, for the people who will map with it."""

from __future__ import annotations

from typing import Any

from cellport.runtime.atlas_file import Manifest


def write_card(manifest: Manifest) -> str:
    """Describe an atlas in Markdown: what it was trained on, how well it does, its limits."""
    training = manifest.training
    lines = [
        f"# {manifest.name}",
        "",
        "A cellport reference atlas. Map your cells onto it with "
        f"`cellport map {manifest.name}.cellport my_cells.h5ad -o mapped.h5ad`.",
        "",
        f"- organism: {manifest.organism or 'not stated'}",
        f"- licence: {manifest.licence or 'not stated'}",
        f"- trained: {manifest.created}, on {training['cells']:,} cells of "
        f"{len(manifest.batches)} batch(es): {_some(manifest.batches)}",
        f"- counts from: {training['counts_from']}",
        f"- panel: {manifest.n_genes:,} genes; latent: {manifest.n_latent} dimensions",
        f"- labels: {_some(manifest.labels) if manifest.labels else 'none'}",
        "",
        "## Accuracy on held-out cells",
        "",
        *_held_out(training.get("held_out", {})),
        "",
        "## Limits",
        "",
        "- It knows only the cell types listed above; other cells get the nearest of them, with "
        "a low probability at best.",
        f"- Labels with a probability under {manifest.thresholds['call_prob']:g} are called "
        "`unknown`.",
        "- Held-out cells come from the batches it was trained on; other laboratories' cells are "
        "harder.",
        "",
    ]
    return "\n".join(lines)


def _held_out(scores: dict[str, Any]) -> list[str]:
    if "accuracy" not in scores:
        return ["Not measured: no labelled cells could be held out."]
    lines = [
        f"{scores['cells']:,} cells: accuracy {scores['accuracy']:.3f}, macro-F1 "
        f"{scores['macro_f1']:.3f}, expected calibration error {scores['ece']:.3f}.",
        "",
        "| label | held-out cells | recall |",
        "| --- | ---: | ---: |",
    ]
    lines += [
        f"| {label} | {entry['cells']} | {entry['recall']:.2f} |"
        for label, entry in scores["by_label"].items()
    ]
    return lines


def _some(names: tuple[str, ...], most: int = 60) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
