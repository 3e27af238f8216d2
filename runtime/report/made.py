"""The end of a report: with what the mapping was made, so that it can be made again."""

from __future__ import annotations

from cellport.runtime.atlas.assumed import describe_batch
from cellport.runtime.atlas.thresholds import MEANING, thresholds_that_apply
from cellport.runtime.report.contents import ReportContents
from cellport.runtime.report.markup import (
    Html,
    as_code,
    cut,
    name,
    paragraph,
    quiet,
    section,
    table,
)
from cellport.runtime.report.numbers import number


def made_section(c: ReportContents) -> Html:
    """Return the atlas, versions, thresholds and day of the mapping."""
    facts, m = c.facts, c.manifest
    made, licence = m.provenance.created, m.provenance.licence or "not stated"
    who = {
        "converted from": m.provenance.converted_from,
        "reference by": m.provenance.authors,
        "to be named": m.provenance.attribution,
    }
    rows: list[tuple[str, str]] = [
        ("atlas", name(m.name)),
        ("atlas file (sha256)", as_code(facts["atlas_sha256"])),
        ("atlas made", f"{cut(made)}, licence: {cut(licence)}"),
        *((what, cut(said)) for what, said in who.items() if said),
        *([("batch of a cell", cut(describe_batch(m.assumed_batch)))] if m.assumed_batch else []),
        ("organism", cut(m.organism or "not stated")),
        ("query", Html(", ").join(name(source) for source, _ in c.sources)),
    ]
    if c.out:
        rows.append(("mapped cells", name(c.out)))
    rows += [
        ("mapped on", c.made.isoformat()),
        ("took", f"{facts['seconds']:.1f} s for {number(c.findings.n_cells)} cells"),
        (
            "software",
            f"cellport {cut(facts['cellport_version'])}, ONNX Runtime "
            f"{cut(facts['onnxruntime_version'])} ({cut(facts['device'])})",
        ),
    ]
    for key, value in thresholds_that_apply(m).items():
        rows.append((as_code(key), Html("{:g} {}").format(value, quiet(MEANING[key]))))
    return section(
        "made",
        "How this was made",
        table((), rows, "Atlas, software and thresholds", "facts"),
        paragraph(
            Html(
                "The same atlas file and counts give the same labels on any machine. "
                "<code>cellport verify</code> checks the atlas; <code>cellport info</code> shows "
                "what it was trained on."
            ),
            "note",
        ),
    )
