"""What a report says in sentences, for readers who do not code."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cellport.runtime.atlas.assumed import describe_labels
from cellport.runtime.decisions import number as decided
from cellport.runtime.report.contents import ReportContents
from cellport.runtime.report.markup import Html, cut, name, names, strong
from cellport.runtime.report.numbers import counted, number, percent

# ratios of spread between which a query counts as like its reference: other donors, technologies
# and stimulated cells lie between 0.83 and 1.04, 15 counts a cell at 0.72, cancer lines on blood or
# lung at 1.6 and 0.6
COMPRESSED, SHIFTED = 0.75, 1.4
_MANY_UNKNOWN = decided("cautions.many_unknown")
_MANY_SHALLOW = decided("cautions.many_shallow")
_MANY_NOVEL, _BY_CHANCE = decided("cautions.many_novel"), decided("cautions.novel_by_chance")


@dataclass(frozen=True, slots=True)
class Caution:
    """Something to know before the results are used: what it is, what it means, what to do."""

    title: str
    text: str
    where: str  # section that tells more
    serious: bool = True  # may make labels wrong


def lead(c: ReportContents) -> Html:
    """Return the paragraph that a report begins with."""
    found, m = c.findings, c.manifest
    verb = "was" if found.n_cells == 1 else "were"
    types = f" of {counted(len(m.labels), 'type')}." if m.labels else ", without cell types."
    if c.background is not None:
        knows = counted(c.background.n_cells, "reference cell") + types
    else:
        knows = counted(len(m.labels), "type") + "." if m.labels else "no cell types."
    text: list[str] = [
        Html("{} of {} {} laid onto the atlas {}, which knows {}").format(
            strong(counted(found.n_cells, "cell")), c.query_in_words, verb, name(m.name), knows
        )
    ]
    if found.n_cells and found.labels:
        text.append(_labelled(c))
    if found.n_cells and c.background is not None:
        text.append(_new(c))
    text.append(_genes(c))
    return Html(" ").join(text)


def _labelled(c: ReportContents) -> Html:
    found = c.findings
    if not c.calibrated:
        kind = "most likely" if c.manifest.gives_prob else "nearest"
        return Html("Every cell with counts got its {} type, however unsure.").format(kind)
    sure, broader, unknown = (found.outcome[k] for k in ("sure", "broader", "unknown"))
    text = Html("{} of them got a cell type with confidence").format(
        strong(percent(sure, found.n_cells))
    )
    if broader:
        text += f"; {percent(broader, found.n_cells)} only a broader group of types"
    if unknown:
        share = percent(unknown, found.n_cells)
        text += f"; {share} no label, because nothing was sure enough"
    return text + "."


def _new(c: ReportContents) -> str:
    n, share = c.findings.n_novel, percent(c.findings.n_novel, c.findings.n_cells)
    if not n:
        return "None of them looks unlike everything in the atlas."
    verb = "looks" if n == 1 else "look"
    return strong(counted(n, "cell")) + f" ({share}) {verb} like nothing in the atlas."


def _genes(c: ReportContents) -> str:
    least = min(c.genes, key=lambda report: report["share"])
    matched, panel = int(least["n_matched"]), int(least["n_panel"])
    of = "The query has" if len(c.genes) == 1 else "Each query has at least"
    if matched == panel:
        of = "The query has" if len(c.genes) == 1 else "Each query has"
        return f"{of} all {number(panel)} genes that the atlas reads."
    return f"{of} {number(matched)} of the {number(panel)} genes that the atlas reads."


def cautions(c: ReportContents) -> list[Caution]:
    """Return what may have gone wrong, the serious first."""
    found = [*_about_genes(c), *_about_cells(c), *_about_all(c), *_about_counts(c)]
    return sorted(found, key=lambda caution: not caution.serious)


def _about_genes(c: ReportContents) -> Iterator[Caution]:
    enough, meant = c.manifest.thresholds.low_gene_coverage, c.manifest.organism
    sources = [source for source, _ in c.sources]
    share = [report["share"] for report in c.genes]
    short = [source for source, found in zip(sources, share, strict=True) if found < enough]
    if short:
        yield Caution(
            f"Only {percent(min(share), 1)} of the atlas’s genes were found in " + names(short),
            f"Below {percent(enough, 1)} labels become unsure, and types that differ in the "
            "missing genes may be mixed up. Use the file with all genes, not one cut down to "
            "variable genes.",
            "genes",
        )
    seen = [report["organism"] for report in c.genes]
    pairs = list(zip(sources, seen, strict=True))
    others = [source for source, found in pairs if meant and found not in ("unknown", meant)]
    if others:
        yield Caution(
            Html("The gene names of {} are not those of {}, which the atlas is made of").format(
                names(others), cut(meant)
            ),
            "Labels across organisms are guesses. Use an atlas of the same organism, or "
            "translate the genes first.",
            "genes",
        )


def _about_cells(c: ReportContents) -> Iterator[Caution]:
    found, n = c.findings, max(c.findings.n_cells, 1)
    shallow, empty = found.quality["low_depth"], found.quality["empty"]
    if shallow >= _MANY_SHALLOW * n:
        depth = c.manifest.thresholds.low_depth
        yield Caution(
            f"{percent(shallow, n)} of the cells have very few counts",
            f"They have fewer than {depth:g} counts in the atlas’s genes. Some may be empty "
            "droplets; their labels deserve less trust.",
            "quality",
        )
    if empty:
        yield Caution(
            f"{counted(empty, 'cell')} without any count in the atlas’s genes",
            "Nothing can be said of them; they are called unknown.",
            "quality",
            serious=empty >= _MANY_SHALLOW * n,
        )
    if found.labels and not c.calibrated:
        title = "How sure these labels are is not known"
        yield Caution(title, describe_labels(c.manifest), "confidence")
    unknown = found.outcome["unknown"]
    if unknown >= _MANY_UNKNOWN * n:
        yield Caution(
            f"{percent(unknown, n)} of the cells have no label",
            "So many are rare when the atlas fits the tissue. Check that it does, and that "
            "the counts are raw.",
            "unsure" if c.calibrated else "quality",
        )
    new, chance = found.n_novel, c.manifest.thresholds.novelty_p
    if new >= max(_BY_CHANCE * chance, _MANY_NOVEL) * n:
        yield Caution(
            f"{percent(new, n)} of the cells look like nothing in the atlas",
            f"About {percent(chance, 1)} would by chance. Either there are cells here "
            "that the atlas does not know, or the data differ in another way (tissue, "
            "disease, technology).",
            "novelty",
        )


def _about_all(c: ReportContents) -> Iterator[Caution]:
    spread = c.spread
    if spread is not None and spread.ratio < COMPRESSED:
        yield Caution(
            "The query is compressed as a whole",
            "Its cells lie closer together in the atlas than reference cells of the same types "
            "do, as happens when counts are shallow, genes are missing or values were processed. "
            "Fine differences between types may be lost.",
            "spread",
        )
    elif spread is not None and spread.ratio > SHIFTED:
        yield Caution(
            "The query is shifted as a whole",
            "Its cells lie further out than reference cells of the same types do, as happens "
            "with another technology, treated cells or counts that are not raw. A label is then "
            "only the nearest type, not proof of it.",
            "spread",
        )


def _about_counts(c: ReportContents) -> Iterator[Caution]:
    for field in sorted({field for _, field in c.sources} - {"", "X"}):
        files = [source for source, place in c.sources if place == field]
        yield Caution(
            Html("Raw counts were taken from {} of {}").format(name(field), names(files)),
            "That is where they were found, or where you said they are. Check that it is the "
            "matrix you mean.",
            "genes",
            serious=False,
        )


def first_look(c: ReportContents) -> Iterator[Html]:
    """Yield what to look at first, most important first."""
    found = c.findings
    for caution in cautions(c):
        if caution.serious:
            yield _link(caution.where, caution.title) + ". " + caution.text
    types = [call for call in c.calls() if call.n_cells and call.outcome == "sure"]
    if types:
        listed = Html(", ").join(
            name(call.title) + f" ({percent(call.n_cells, found.n_cells)})" for call in types[:3]
        )
        yield Html(
            "{} Most common here: {}. A type that cannot be in your sample is the quickest sign "
            "that something is wrong."
        ).format(_link("labels", "Do the types fit your tissue?"), listed)
    if c.groups:
        title = f"{counted(len(c.groups), 'group')} of cells unlike the atlas"
        look = ": look at their marker genes before you believe their labels."
        yield _link("novelty", title) + look
    elif found.outcome["unknown"] and c.calibrated:
        yield _link("unsure", "Cells without a label") + ": see which types they came closest to."
    if c.paths.n_on:
        yield _link("path", "How far along are they?") + (
            f" {percent(c.paths.n_on, found.n_cells)} of your cells lie on the path that the "
            "atlas’s cells form; see where, what they are bound for, and which genes change."
        )
    if found.labels and c.calibrated:
        where = Html("in {}").format(name(c.out)) if c.out else "of the result"
        yield Html(
            "To work on, use the column <code>cellport_call</code> {}: it holds a type only "
            "where the atlas is sure enough, and <code>unknown</code> elsewhere."
        ).format(where)


def _link(anchor: str, words: str) -> Html:
    return Html('<a href="#{}">{}</a>').format(anchor, words)
