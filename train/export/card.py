"""The atlas card: the README inside the atlas, for the people who will map with it."""

from __future__ import annotations

from typing import Any

from cellport.runtime.atlas.file import Manifest
from cellport.runtime.atlas.thresholds import MEANING

_BAR = 10
_MOST = 60


def write_card(manifest: Manifest) -> str:
    """Describe an atlas in Markdown: what it was trained on, how well it does, its limits.

    Of ``manifest.training["held_out"]`` it shows what is there: ``accuracy``, ``macro_f1``,
    ``ece``, ``cells`` and ``by_label`` (``cells``, ``recall``); ``by`` (``batch`` where whole
    batches were held out); ``reliability``, a list of bins (``low``, ``high``, ``cells``,
    ``confidence``, ``accuracy``); and ``conformal`` (``level``, ``coverage``, ``mean_size``, and
    both of these with ``_degraded`` for shallow cells that lack genes).
    """
    training = manifest.training
    held_out = training.get("held_out", {})
    lines = [
        f"# {_text(manifest.name)}",
        "",
        "A cellport reference atlas. Map your cells onto it with "
        f"`cellport map {_text(manifest.name)}.cellport my_cells.h5ad -o mapped.h5ad --report "
        "report.html`.",
        "",
        f"- organism: {manifest.organism or 'not stated'}",
        f"- licence: {_text(manifest.licence) or 'not stated'}",
        f"- trained: {manifest.created}, on {training['cells']:,} cells of "
        f"{len(manifest.batches)} batch(es): {_some(manifest.batches)}",
        f"- counts from: {_text(training['counts_from'])}",
        f"- panel: {manifest.n_genes:,} genes; latent: {manifest.n_latent} dimensions",
        f"- labels: {_some(manifest.labels) if manifest.labels else 'none'}",
        *_groups(manifest),
        "",
        "## How often its labels are right",
        "",
        *_accuracy(held_out, manifest.labels),
    ]
    if manifest.labels:
        lines += [
            "",
            "## What its probabilities mean",
            "",
            *_calibration(training, held_out),
        ]
    lines += ["", "## Thresholds", "", *_thresholds(manifest), "", "## Limits", ""]
    return "\n".join([*lines, *_limits(manifest, held_out), ""])


def _accuracy(scores: dict[str, Any], labels: tuple[str, ...]) -> list[str]:
    if "accuracy" not in scores:
        return ["Not measured: no labelled cells could be held out."]
    lines = [
        f"On {scores['cells']:,} cells {_kept_out(scores)}: accuracy {scores['accuracy']:.3f}, "
        f"macro-F1 {scores['macro_f1']:.3f}, expected calibration error {scores['ece']:.3f}. "
        "Recall is the share of a label's cells that were given that label.",
        "",
        "| label | held-out cells | recall | |",
        "| --- | ---: | ---: | --- |",
    ]
    lines += [
        f"| {_text(label)} | {entry['cells']} | {entry['recall']:.2f} | {_bar(entry['recall'])} |"
        for label, entry in scores["by_label"].items()
    ]
    few = sum(entry["cells"] < 10 for entry in scores["by_label"].values())
    if few:
        lines += ["", f"Fewer than 10 cells stand behind {few} of these figures."]
    unmeasured = [label for label in labels if label not in scores["by_label"]]
    if unmeasured:
        lines += ["", f"No cells of these labels could be held out: {_some(unmeasured)}."]
    return lines


def _calibration(training: dict[str, Any], scores: dict[str, Any]) -> list[str]:
    softness = training.get("softness")
    lines = []
    if softness is not None:
        lines.append(
            "Where the network gives a label more than half of the probability, its log-odds x "
            f"become x / (1 + {softness:.2f} x), fitted on cells of batches kept out of training "
            "where there are two batches or more."
        )
    if scores.get("reliability"):
        lines += [
            "",
            "Where the last two figures agree, a probability can be taken at its word:",
            "",
            "| probability of the label | cells | mean probability | right | |",
            "| --- | ---: | ---: | ---: | --- |",
            *(
                f"| {bin_['low']:.2f} to {bin_['high']:.2f} | {bin_['cells']:,} | "
                f"{bin_['confidence']:.2f} | {bin_['accuracy']:.2f} | {_bar(bin_['accuracy'])} |"
                for bin_ in scores["reliability"]
                if bin_["cells"]
            ),
        ]
    sets = scores.get("conformal")
    if sets:
        lines += [
            "",
            f"Label sets are made to hold the true label of {sets['level']:.0%} of cells. On the "
            f"held-out cells they hold it for {sets['coverage']:.1%}, with "
            f"{sets['mean_size']:.2f} labels in a set on average."
            + (
                f" On the same cells made shallow and short of genes: "
                f"{sets['coverage_degraded']:.1%}, with {sets['mean_size_degraded']:.2f}."
                if "coverage_degraded" in sets
                else ""
            ),
        ]
    return lines or ["Not measured."]


def _thresholds(manifest: Manifest) -> list[str]:
    return [
        "| threshold | value | meaning |",
        "| --- | ---: | --- |",
        *(
            f"| `{name}` | {value:g} | {MEANING.get(name, '')} |"
            for name, value in manifest.thresholds.items()
        ),
    ]


def _limits(manifest: Manifest, scores: dict[str, Any]) -> list[str]:
    lines = [
        "- It knows only the cell types listed above; other cells get the nearest of them, with "
        "a low probability at best.",
        f"- Labels with a probability under {manifest.thresholds['call_prob']:g} are called "
        "`unknown`"
        + (", or by the group they surely belong to." if any(manifest.parents) else "."),
    ]
    if scores.get("by") == "batch":
        lines.append(
            "- Held-out cells come from batches it did not see, but from the same study or "
            "studies; cells of other tissues, diseases or technologies can be harder."
        )
    else:
        lines.append(
            "- Held-out cells come from the batches it was trained on; other laboratories' cells "
            "are harder."
        )
    weak = [
        label
        for label, entry in scores.get("by_label", {}).items()
        if entry["recall"] < 0.5 and entry["cells"] >= 5
    ]
    if weak:
        lines.append(f"- More than half of the cells of these labels were missed: {_some(weak)}.")
    return lines


def _groups(manifest: Manifest) -> list[str]:
    if not any(manifest.parents):
        return []
    groups: dict[str, list[str]] = {}
    for below, above in manifest.parents.items():
        groups.setdefault(above, []).append(below)
    shown = [f"{_text(group)} ({_some(members)})" for group, members in groups.items()]
    return [f"- groups that unsure cells fall back to: {'; '.join(shown[:_MOST])}"]


def _kept_out(scores: dict[str, Any]) -> str:
    return "of batches kept out of training" if scores.get("by") == "batch" else (
        "kept out of training"
    )  # fmt: skip


def _bar(share: float) -> str:
    full = round(_BAR * share)
    return "█" * full + "░" * (_BAR - full)


def _some(names: tuple[str, ...] | list[str]) -> str:
    shown = ", ".join(_text(name) for name in names[:_MOST])
    return shown if len(names) <= _MOST else f"{shown} and {len(names) - _MOST} more"


def _text(name: str) -> str:
    """Return a name as it reads in a table: labels may hold bars, tags and line ends."""
    return " ".join(name.split()).replace("|", "\\|").replace("<", "&lt;")
