"""The atlas card: the README inside the atlas, for the people who will map with it."""

from __future__ import annotations

from cellport.runtime.atlas.manifest import HeldOut, Manifest
from cellport.runtime.atlas.thresholds import MEANING, thresholds_that_apply
from cellport.runtime.base.names import listed

_BAR = 10
_MOST = 60


def write_card(manifest: Manifest) -> str:
    """Describe an atlas in Markdown: what it was trained on, how well it does, its limits."""
    made = manifest.provenance
    lines = [
        f"# {_text(manifest.name)}",
        "",
        "A cellport reference atlas. Map your cells onto it with "
        f"`cellport map {_text(manifest.name)}.cellport my_cells.h5ad -o mapped.h5ad --report "
        "report.html`.",
        "",
        f"- organism: {manifest.organism or 'not stated'}",
        f"- trained: {made.created}, on {made.cells:,} cells of "
        f"{len(manifest.batches)} batch(es): {_some(manifest.batches)}",
        f"- counts from: {_text(made.source)}",
        *([f"- authors: {_text(made.authors)}"] if made.authors else []),
        f"- licence: {_text(made.licence) or 'not stated'}",
        *([f"- attribution: {_text(made.attribution)}"] if made.attribution else []),
        f"- panel: {manifest.n_genes:,} genes; latent: {manifest.n_latent} dimensions",
        f"- labels: {_some(manifest.labels) if manifest.labels else 'none'}",
        *_groups(manifest),
        *_coarse(manifest),
        *_trajectory(manifest),
        "",
        *_extended(manifest),
        *findings(manifest),
    ]
    return "\n".join([*lines, ""])


def findings(manifest: Manifest) -> list[str]:
    """Lines of Markdown on what held-out cells say: accuracy, calibration, thresholds, limits."""
    lines = []
    if manifest.labels:
        lines += ["## How often its labels are right", ""]
        lines += _accuracy(manifest.held_out, manifest.labels)
        lines += ["", "## What its probabilities mean", "", *_calibration(manifest), ""]
    lines += ["## Thresholds", "", *_thresholds(manifest), "", "## Limits", ""]
    return [*lines, *_limits(manifest)]


def _accuracy(scores: HeldOut | None, labels: tuple[str, ...]) -> list[str]:
    if scores is None:
        return ["Not measured: no labelled cells could be held out."]
    kept_out = "of batches kept" if scores.by == "batch" else "kept"
    lines = [
        f"On {scores.cells:,} cells {kept_out} out of training: accuracy {scores.accuracy:.3f}, "
        f"macro-F1 {scores.macro_f1:.3f}, expected calibration error {scores.ece:.3f}. "
        "Recall is the share of a label's cells that were given that label.",
        *(["", f"Label sets and thresholds rest on {scores.doubt}."] if scores.doubt else []),
        "",
        "| label | held-out cells | recall | |",
        "| --- | ---: | ---: | --- |",
    ]
    lines += [
        f"| {_text(label)} | {one.cells} | {one.recall:.2f} | {_bar(one.recall)} |"
        for label, one in scores.by_label.items()
    ]
    few = sum(one.cells < 10 for one in scores.by_label.values())
    if few:
        lines += ["", f"Fewer than 10 cells stand behind {few} of these figures."]
    unmeasured = [label for label in labels if label not in scores.by_label]
    if unmeasured:
        lines += ["", f"No cells of these labels could be held out: {_some(unmeasured)}."]
    return lines


def _calibration(manifest: Manifest) -> list[str]:
    how = manifest.head.calibration
    lines = [
        "Where the network gives a label more than half of the probability, its log-odds x "
        f"become x / (1 + {how.softness:.2f} x), fitted on cells of batches kept out of training "
        "where there are two batches or more."
    ]
    if how.temperature < 1:
        lines += [
            f"Before that, scores are divided by {how.temperature:.2f}: the network was less sure "
            "of cells kept out of training than it was right."
        ]
    scores = manifest.held_out
    if scores is None:
        return lines
    lines += [
        "",
        "Where the last two figures agree, a probability can be taken at its word:",
        "",
        "| probability of the label | cells | mean probability | right | |",
        "| --- | ---: | ---: | ---: | --- |",
        *(
            f"| {one.low:.2f} to {one.high:.2f} | {one.cells:,} | {one.confidence:.2f} | "
            f"{one.accuracy:.2f} | {_bar(one.accuracy)} |"
            for one in scores.reliability
            if one.cells
        ),
    ]
    sets = scores.sets
    if sets is not None:
        lines += [
            "",
            f"Label sets are made to hold the true label of {sets.level:.0%} of cells. On the "
            f"held-out cells they hold it for {sets.coverage:.1%}, with {sets.mean_size:.2f} "
            "labels in a set on average. On the same cells made shallow and short of genes: "
            f"{sets.coverage_degraded:.1%}, with {sets.mean_size_degraded:.2f}.",
        ]
    return lines


def _thresholds(manifest: Manifest) -> list[str]:
    return [
        "| threshold | value | meaning |",
        "| --- | ---: | --- |",
        *(
            f"| `{name}` | {value:g} | {MEANING[name]} |"
            for name, value in thresholds_that_apply(manifest).items()
        ),
    ]


def _limits(manifest: Manifest) -> list[str]:
    scores, own = manifest.held_out, manifest.provenance.limits
    lines = [
        *([f"- {_text(own)}"] if own else []),
        *(f"- {_text(one)}" for one in manifest.provenance.cautions),
    ]
    if not manifest.labels:
        return [
            *lines,
            "- It has no labels: it tells where cells lie, not what they are.",
            "- It knows only cells like those that it was trained on; others lie beside the "
            "nearest of these, and may be flagged as novel.",
        ]
    lines += [
        "- It knows only the cell types listed above; other cells get the nearest of them, with "
        "a low probability at best.",
        f"- Labels with a probability under {manifest.thresholds.call_prob:g} are called `unknown`"
        + (", or by the group they surely belong to." if manifest.parents else "."),
    ]
    if scores is not None and scores.by == "batch":
        lines.append(
            "- Held-out cells come from batches it did not see, but from the same study or "
            "studies; cells of other tissues, diseases or technologies can be harder."
        )
    else:
        lines.append(
            "- Held-out cells come from the batches it was trained on; other laboratories' cells "
            "are harder."
        )
    by_label = {} if scores is None else scores.by_label
    weak = [label for label, one in by_label.items() if one.recall < 0.5 and one.cells >= 5]
    if weak:
        lines.append(f"- More than half of the cells of these labels were missed: {_some(weak)}.")
    return lines


def _groups(manifest: Manifest) -> list[str]:
    if not manifest.parents:
        return []
    groups: dict[str, list[str]] = {}
    for below, above in manifest.parents.items():
        groups.setdefault(above, []).append(below)
    shown = [f"{_text(group)} ({_some(members)})" for group, members in groups.items()]
    return [f"- groups that unsure cells fall back to: {'; '.join(shown[:_MOST])}"]


def _coarse(manifest: Manifest) -> list[str]:
    told = manifest.provenance.training.get("coarse_labels", {})
    return [
        f"- {one['cells']:,} cells labelled {_text(name)} alone were trained as one of "
        f"{_some(one['labels'])}; {one['given_one_of_these']} of {one['held_out']} held out were "
        "given one of these"
        for name, one in told.items()
    ]


def _trajectory(manifest: Manifest) -> list[str]:
    graph = manifest.trajectory
    if graph is None:
        return []
    ends = f"leads to {_some(graph.terminal_names)}"
    starts = f"; starts at {'; '.join(map(_text, graph.root_from))}" if graph.root_from else ""
    return [f"- trajectory: {ends}{starts}"]


def _extended(manifest: Manifest) -> list[str]:
    steps = manifest.provenance.training.get("extended", [])
    if not steps:
        return []
    lines = [
        "## Added to a finished atlas",
        "",
        "The encoder, clusters, trajectory and the figures of accuracy and calibration below are "
        "those of the atlas before anything was added. Recall of added types is that of cells that "
        "were left out, one in five at a time.",
        "",
    ]
    for step in steps:
        lines += [
            f"- to {_text(step['atlas'])} (sha256 {step['sha256']}) by {step['cells']:,} cells of "
            f"{_text(step['source'])}"
        ]
        lines += [
            f"  - {_text(one['label'])}: {one['cells']:,} cells, recall {one['recall']:.2f}; told "
            f"from {_text(one['most_like'])}, which is most like it, with an area under the ROC "
            f"curve of {one['auroc']:.3f}"
            for one in step["types"]
        ]
        lines += [
            f"  - {_text(label)}, known before: {cells:,} cells more"
            for label, cells in step["updated"].items()
        ]
    return [*lines, ""]


def _bar(share: float) -> str:
    full = round(_BAR * share)
    return "█" * full + "░" * (_BAR - full)


def _some(names: tuple[str, ...] | list[str]) -> str:
    return listed(list(map(_text, names)), _MOST)


def _text(name: str) -> str:
    """Return a name as it reads in a table: labels may hold bars, tags and line ends."""
    return " ".join(name.split()).replace("|", "\\|").replace("<", "&lt;")
