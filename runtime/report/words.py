"""What a report says in sentences, for readers who do not code."""

from __future__ import annotations

from dataclasses import dataclass

from cellport.runtime.decisions import number as decided
from cellport.runtime.report.contents import Contents
from cellport.runtime.report.markup import counted, name, names, number, percent, safe

# ratios of spread between which a query counts as like its reference: other donors, technologies
# and stimulated cells lie between 0.83 and 1.04, 15 counts a cell at 0.72, cancer lines on blood or
# lung at 1.6 and 0.6
COMPRESSED, SHIFTED = 0.75, 1.4
_MANY_UNKNOWN = decided("cautions.many_unknown")
_MANY_SHALLOW = decided("cautions.many_shallow")
_MANY_NOVEL, _BY_CHANCE = decided("cautions.many_novel"), decided("cautions.novel_by_chance")


@dataclass(frozen=True, slots=True)
class Caution:
    """Something to know before the results are used.

    Attributes
    ----------
    title, text
        HTML: a short statement, and what it means and what to do.
    where
        Section that tells more.
    serious
        Whether it may make labels wrong.
    """

    title: str
    text: str
    where: str
    serious: bool = True


def lead(c: Contents) -> str:
    """Return the paragraph that a report begins with."""
    found, m = c.findings, c.manifest
    verb = "was" if found.n_cells == 1 else "were"
    text = [
        f"<strong>{counted(found.n_cells, 'cell')}</strong> of {c.query_in_words} {verb} laid onto "
        f"the atlas {name(m.name)}, which knows {counted(c.background.n_cells, 'reference cell')}"
        + (f" of {counted(len(m.labels), 'type')}." if m.labels else ", without cell types.")
    ]
    if found.n_cells and found.labels:
        text.append(_labelled(c))
    if found.n_novel is not None and found.n_cells:
        text.append(_new(c))
    text.append(_genes(c))
    return " ".join(text)


def _labelled(c: Contents) -> str:
    found = c.findings
    sure, broader, unknown = (found.outcome[k] for k in ("sure", "broader", "unknown"))
    text = (
        f"<strong>{percent(sure, found.n_cells)}</strong> of them got a cell type with confidence"
    )
    rest = []
    if broader:
        rest.append(f"{percent(broader, found.n_cells)} only a broader group of types")
    if unknown:
        rest.append(f"{percent(unknown, found.n_cells)} no label, because nothing was sure enough")
    return text + "".join(f"; {part}" for part in rest) + "."


def _new(c: Contents) -> str:
    found, n = c.findings, c.findings.n_novel or 0
    if not n:
        return "None of them looks unlike everything in the atlas."
    verb = "looks" if n == 1 else "look"
    share = percent(n, found.n_cells)
    return f"<strong>{counted(n, 'cell')}</strong> ({share}) {verb} like nothing in the atlas."


def _genes(c: Contents) -> str:
    least = min(c.genes, key=lambda report: report["share"])
    matched, panel = int(least["n_matched"]), int(least["n_panel"])
    of = "The query has" if len(c.genes) == 1 else "Each query has at least"
    if matched == panel:
        of = "The query has" if len(c.genes) == 1 else "Each query has"
        return f"{of} all {number(panel)} genes that the atlas reads."
    return f"{of} {number(matched)} of the {number(panel)} genes that the atlas reads."


def cautions(c: Contents) -> list[Caution]:
    """Return what may have gone wrong, the serious first."""
    found = [*_about_genes(c), *_about_cells(c), *_about_all(c), *_about_counts(c)]
    return sorted(found, key=lambda caution: not caution.serious)


def _about_genes(c: Contents) -> list[Caution]:
    cautions = []
    enough, meant = c.manifest.thresholds["low_gene_coverage"], c.manifest.organism
    sources = [source for source, _ in c.sources]
    share = [report["share"] for report in c.genes]
    short = [source for source, found in zip(sources, share, strict=True) if found < enough]
    if short:
        cautions.append(
            Caution(
                f"Only {percent(min(share), 1)} of the atlas’s genes were found in {names(short)}",
                f"Below {percent(enough, 1)} labels become unsure, and types that differ in the "
                "missing genes may be mixed up. Use the file with all genes, not one cut down to "
                "variable genes.",
                "genes",
            )
        )
    seen = [report["organism"] for report in c.genes]
    pairs = list(zip(sources, seen, strict=True))
    others = [source for source, found in pairs if meant and found not in ("unknown", meant)]
    if others:
        cautions.append(
            Caution(
                f"The gene names of {names(others)} are not those of {safe(meant)}, which the "
                "atlas is made of",
                "Labels across organisms are guesses. Use an atlas of the same organism, or "
                "translate the genes first.",
                "genes",
            )
        )
    return cautions


def _about_cells(c: Contents) -> list[Caution]:
    found, n = c.findings, max(c.findings.n_cells, 1)
    cautions = []
    shallow, empty = found.quality["low_depth"], found.quality["empty"]
    if shallow >= _MANY_SHALLOW * n:
        depth = c.manifest.thresholds["low_depth"]
        cautions.append(
            Caution(
                f"{percent(shallow, n)} of the cells have very few counts",
                f"They have fewer than {depth:g} counts in the atlas’s genes. Some may be empty "
                "droplets; their labels deserve less trust.",
                "quality",
            )
        )
    if empty:
        cautions.append(
            Caution(
                f"{counted(empty, 'cell')} without any count in the atlas’s genes",
                "Nothing can be said of them; they are called unknown.",
                "quality",
                serious=empty >= _MANY_SHALLOW * n,
            )
        )
    unknown = found.outcome["unknown"] if found.labels else 0
    if unknown >= _MANY_UNKNOWN * n:
        cautions.append(
            Caution(
                f"{percent(unknown, n)} of the cells have no label",
                "So many are rare when the atlas fits the tissue. Check that it does, and that "
                "the counts are raw.",
                "unsure",
            )
        )
    new = found.n_novel or 0
    if new >= max(_BY_CHANCE * c.novel_level, _MANY_NOVEL) * n:
        cautions.append(
            Caution(
                f"{percent(new, n)} of the cells look like nothing in the atlas",
                f"About {percent(c.novel_level, 1)} would by chance. Either there are cells here "
                "that the atlas does not know, or the data differ in another way (tissue, "
                "disease, technology).",
                "novelty",
            )
        )
    return cautions


def _about_all(c: Contents) -> list[Caution]:
    spread = c.spread
    if spread is None or COMPRESSED <= spread.ratio <= SHIFTED:
        return []
    if spread.ratio < COMPRESSED:
        return [
            Caution(
                "The query is compressed as a whole",
                "Its cells lie closer together in the atlas than reference cells of the same "
                "types do, as happens when counts are shallow, genes are missing or values were "
                "processed. Fine differences between types may be lost.",
                "spread",
            )
        ]
    return [
        Caution(
            "The query is shifted as a whole",
            "Its cells lie further out than reference cells of the same types do, as happens "
            "with another technology, treated cells or counts that are not raw. A label is then "
            "only the nearest type, not proof of it.",
            "spread",
        )
    ]


def _about_counts(c: Contents) -> list[Caution]:
    fields = sorted({field for _, field in c.sources} - {"", "X"})
    return [
        Caution(
            f"Raw counts were taken from {name(field)} of "
            f"{names([source for source, place in c.sources if place == field])}",
            "That is where they were found, or where you said they are. Check that it is the "
            "matrix you mean.",
            "genes",
            serious=False,
        )
        for field in fields
    ]


def first_look(c: Contents) -> list[str]:
    """Return what to look at first, most important first, as HTML."""
    found = c.findings
    steps = [
        f'<a href="#{caution.where}">{caution.title}</a>. {caution.text}'
        for caution in cautions(c)
        if caution.serious
    ]
    types = [call for call in c.calls() if call.n_cells and call.outcome == "sure"]
    if types:
        listed = ", ".join(
            f"{name(call.title)} ({percent(call.n_cells, found.n_cells)})" for call in types[:3]
        )
        steps.append(
            f'<a href="#labels">Do the types fit your tissue?</a> Most common here: {listed}. A '
            "type that cannot be in your sample is the quickest sign that something is wrong."
        )
    if c.groups:
        steps.append(
            f'<a href="#novelty">{counted(len(c.groups), "group")} of cells unlike the atlas</a>: '
            "look at their marker genes before you believe their labels."
        )
    elif found.labels and found.outcome["unknown"]:
        steps.append(
            '<a href="#unsure">Cells without a label</a>: see which types they came closest to.'
        )
    if c.path is not None and c.path.edges and c.path.n_on:
        steps.append(
            f'<a href="#path">How far along are they?</a> {percent(c.path.n_on, found.n_cells)} of '
            "your cells lie on the path that the atlas’s cells form; see where, what they are "
            "bound for, and which genes change."
        )
    if found.labels:
        where = f"in {name(c.out)}" if c.out else "of the result"
        steps.append(
            f"To work on, use the column <code>cellport_call</code> {where}: it holds a type only "
            "where the atlas is sure enough, and <code>unknown</code> elsewhere."
        )
    return steps
