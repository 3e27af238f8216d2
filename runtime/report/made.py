"""The end of a report: with what the mapping was made, so that it can be made again."""

from __future__ import annotations

from cellport.runtime.atlas.thresholds import MEANING
from cellport.runtime.report.contents import Contents
from cellport.runtime.report.markup import name, number, paragraph, safe, section, table


def made_section(c: Contents) -> str:
    """Return the atlas, versions, thresholds and day of the mapping."""
    facts, m = c.facts, c.manifest
    rows = [
        ["atlas", name(m.name)],
        ["atlas file (sha256)", f"<code>{safe(facts['atlas_sha256'])}</code>"],
        ["atlas made", f"{safe(m.created)}, licence: {safe(m.licence or 'not stated')}"],
        ["organism", safe(m.organism or "not stated")],
        ["query", ", ".join(name(source) for source, _ in c.sources)],
    ]
    if c.out:
        rows.append(["mapped cells", name(c.out)])
    rows += [
        ["mapped on", c.made.isoformat()],
        ["took", f"{facts['seconds']:.1f} s for {number(c.findings.n_cells)} cells"],
        [
            "software",
            f"cellport {safe(facts['cellport_version'])}, ONNX Runtime "
            f"{safe(facts['onnxruntime_version'])} ({safe(facts['device'])})",
        ],
    ]
    for key, value in facts["thresholds"].items():
        meaning = f' <span class="quiet">{MEANING[key]}</span>' if key in MEANING else ""
        rows.append([f"<code>{safe(key)}</code>", f"{value:g}{meaning}"])
    return section(
        "made",
        "How this was made",
        table([], rows, "Atlas, software and thresholds", "facts"),
        paragraph(
            "The same atlas file and counts give the same labels on any machine. "
            "<code>cellport verify</code> checks the atlas; <code>cellport info</code> shows "
            "what it was trained on.",
            "note",
        ),
    )
