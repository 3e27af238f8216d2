"""The end of a report: with what the mapping was made, so that it can be made again."""

from __future__ import annotations

from cellport.runtime.atlas.assumed import describe_batch
from cellport.runtime.atlas.thresholds import MEANING, thresholds_that_apply
from cellport.runtime.decisions import words
from cellport.runtime.report.contents import ReportContents
from cellport.runtime.report.markup import (
    Html,
    as_code,
    cut,
    name,
    paragraph,
    quiet,
    said,
    section,
    table,
)
from cellport.runtime.report.numbers import number


def made_section(c: ReportContents) -> Html:
    """Return the atlas, versions, thresholds and day of the mapping."""
    facts, m = c.facts, c.manifest
    made, licence = m.provenance.created, m.provenance.licence or said("not_stated")
    who = {
        "converted": m.provenance.converted_from,
        "authors": m.provenance.authors,
        "attribution": m.provenance.attribution,
    }
    rows: list[tuple[str, str]] = [
        ("atlas", name(m.name)),
        ("file", as_code(facts["atlas_sha256"])),
        ("made", said("made_created", day=cut(made), licence=cut(licence))),
        *((what, cut(stated)) for what, stated in who.items() if stated),
        *([("batch", cut(describe_batch(m.assumed_batch)))] if m.assumed_batch else []),
        ("organism", cut(m.organism or said("not_stated"))),
        ("query", Html(", ").join(name(source) for source, _ in c.sources)),
    ]
    if c.out:
        rows.append(("out", name(c.out)))
    rows += [
        ("day", c.made.isoformat()),
        (
            "took",
            said("made_took", seconds=f"{facts['seconds']:.1f}", cells=number(c.findings.n_cells)),
        ),
        (
            "software",
            said(
                "made_software",
                cellport=cut(facts["cellport_version"]),
                onnxruntime=cut(facts["onnxruntime_version"]),
                device=cut(facts["device"]),
            ),
        ),
    ]
    titles = words("report.made_rows")
    told = [(titles[key], value) for key, value in rows]
    for key, value in thresholds_that_apply(m).items():
        told.append((as_code(key), Html("{:g} {}").format(value, quiet(MEANING[key]))))
    return section(
        "made",
        said("made_title"),
        table((), told, said("made_caption"), "facts"),
        paragraph(
            said("made_same", verify=as_code("cellport verify"), info=as_code("cellport info")),
            "note",
        ),
    )
