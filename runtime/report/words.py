"""What a report says in sentences, for readers who do not code."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cellport.runtime.atlas.assumed import describe_labels
from cellport.runtime.decisions import number as decided
from cellport.runtime.decisions import text, texts, words
from cellport.runtime.mapping.genes.coverage import weighs_genes
from cellport.runtime.report.contents import ReportContents
from cellport.runtime.report.markup import Html, as_code, cut, name, names, said, strong
from cellport.runtime.report.numbers import counted, number, percent

COMPRESSED, SHIFTED = decided("cautions.compressed_below"), decided("cautions.shifted_above")
_MANY_UNKNOWN = decided("cautions.many_unknown")
_MANY_SHALLOW = decided("cautions.many_shallow")
_MANY_NOVEL, _BY_CHANCE = decided("cautions.many_novel"), decided("cautions.novel_by_chance")
_ORDER = texts("cautions.order")


@dataclass(frozen=True, slots=True)
class Caution:
    """Something to know before the results are used: what it is, what it means, what to do."""

    kind: str  # one of the decisions' order
    title: str
    text: str
    where: str  # section that tells more
    serious: bool = True  # may make labels wrong


def _caution(kind: str, where: str, *, serious: bool = True, **places: object) -> Caution:
    about = words(f"cautions.{kind}")
    title, meaning = (Html.escape(about[part]).format(**places) for part in ("title", "text"))
    return Caution(kind, title, meaning, where, serious)


def lead(c: ReportContents) -> Html:
    """Return the paragraph that a report begins with."""
    found, m = c.findings, c.manifest
    told = [
        said(
            "laid",
            cells=strong(counted(found.n_cells, "cell")),
            query=c.query_in_words,
            were="was" if found.n_cells == 1 else "were",
            atlas=name(m.name),
            known=_known(c),
        )
    ]
    if found.n_cells and found.labels:
        told.append(_labelled(c))
    if found.n_cells and c.background is not None:
        told.append(_new(c))
    told.append(_genes(c))
    return Html(" ").join(told)


def _known(c: ReportContents) -> str:
    types = counted(len(c.manifest.labels), "type") if c.manifest.labels else ""
    if c.background is None:
        return types or said("known_nothing")
    cells = counted(c.background.n_cells, "reference cell")
    if not types:
        return said("known_cells_alone", cells=cells)
    return said("known_cells", cells=cells, types=types)


def _labelled(c: ReportContents) -> Html:
    found = c.findings
    if not c.calibrated:
        kind = said("most_likely" if c.manifest.gives_prob else "nearest_type")
        return said("every_cell", kind=kind)
    sure, broader, unknown = (found.outcome[k] for k in ("sure", "broader", "unknown"))
    told = said("called", share=strong(percent(sure, found.n_cells)))
    if broader:
        told += said("called_broader", share=percent(broader, found.n_cells))
    if unknown:
        told += said("called_nothing", share=percent(unknown, found.n_cells))
    return told + "."


def _new(c: ReportContents) -> Html:
    n, share = c.findings.n_novel, percent(c.findings.n_novel, c.findings.n_cells)
    if not n:
        return said("none_novel")
    look = "looks" if n == 1 else "look"
    return said("some_novel", cells=strong(counted(n, "cell")), share=share, look=look)


def _genes(c: ReportContents) -> Html:
    least = min(c.genes, key=lambda report: report["share"])
    matched, panel = int(least["n_matched"]), int(least["n_panel"])
    one = len(c.genes) == 1
    if matched == panel:
        genes = said("all_genes", panel=number(panel))
        return said("genes_of_one" if one else "genes_of_each", genes=genes)
    genes = said("some_genes", matched=number(matched), panel=number(panel))
    return said("genes_of_one" if one else "genes_at_least", genes=genes)


def cautions(c: ReportContents) -> list[Caution]:
    """Return what may have gone wrong: the serious first, the worst of it before the rest."""
    found = [*_about_genes(c), *_about_cells(c), *_about_all(c), *_about_counts(c)]
    return sorted(found, key=lambda one: (not one.serious, _ORDER.index(one.kind)))


def _about_genes(c: ReportContents) -> Iterator[Caution]:
    enough, meant = c.manifest.thresholds.low_gene_coverage, c.manifest.organism
    sources = [source for source, _ in c.sources]
    share = [report["coverage"] for report in c.genes]
    short = [source for source, found in zip(sources, share, strict=True) if found < enough]
    if short:
        least, needed = percent(min(share), 1), percent(enough, 1)
        kind = "weak_genes" if weighs_genes(c.manifest) else "few_genes"
        yield _caution(kind, "genes", share=least, enough=needed, files=names(short))
    seen = [report["organism"] for report in c.genes]
    pairs = list(zip(sources, seen, strict=True))
    others = [source for source, found in pairs if meant and found not in ("unknown", meant)]
    if others:
        yield _caution("organism", "genes", files=names(others), organism=cut(meant))


def _about_cells(c: ReportContents) -> Iterator[Caution]:
    found, n = c.findings, max(c.findings.n_cells, 1)
    shallow, empty = found.quality["low_depth"], found.quality["empty"]
    if shallow >= _MANY_SHALLOW * n:
        depth = f"{c.manifest.thresholds.low_depth:g}"
        yield _caution("shallow", "quality", share=percent(shallow, n), depth=depth)
    if empty:
        serious = empty >= _MANY_SHALLOW * n
        yield _caution("empty", "quality", serious=serious, cells=counted(empty, "cell"))
    if found.labels and not c.calibrated:
        title = text("cautions.unsure")
        yield Caution("unsure", title, describe_labels(c.manifest), "confidence")
    unknown = found.outcome["unknown"]
    if unknown >= _MANY_UNKNOWN * n:
        where = "unsure" if c.calibrated else "quality"
        yield _caution("unlabelled", where, share=percent(unknown, n))
    new, chance = found.n_novel, c.manifest.thresholds.novelty_p
    if new >= max(_BY_CHANCE * chance, _MANY_NOVEL) * n:
        share, by_chance = percent(new, n), percent(chance, 1)
        yield _caution("strange", "novelty", share=share, chance=by_chance)


def _about_all(c: ReportContents) -> Iterator[Caution]:
    spread = c.spread
    if spread is not None and spread.ratio < COMPRESSED:
        yield _caution("compressed", "spread")
    elif spread is not None and spread.ratio > SHIFTED:
        yield _caution("shifted", "spread")


def _about_counts(c: ReportContents) -> Iterator[Caution]:
    for field in sorted({field for _, field in c.sources} - {"", "X"}):
        files = [source for source, place in c.sources if place == field]
        yield _caution("elsewhere", "genes", serious=False, field=name(field), files=names(files))


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
        fit = _link("labels", text("report.fit"))
        yield Html("{} {}").format(fit, said("fit_types", types=listed))
    if c.groups:
        title = said("unlike_atlas", groups=counted(len(c.groups), "group"))
        yield _link("novelty", title) + said("look_at_markers")
    elif found.outcome["unknown"] and c.calibrated:
        yield _link("unsure", said("without_label")) + said("closest_to")
    if c.paths.n_on:
        share = percent(c.paths.n_on, found.n_cells)
        yield _link("path", said("how_far")) + said("on_path", share=share)
    if found.labels and c.calibrated:
        where = said("in_file", file=name(c.out)) if c.out else said("of_result")
        unknown = as_code(text("values.unknown"))
        yield said("work_on", column=as_code(text("columns.call")), where=where, unknown=unknown)


def _link(anchor: str, words: str) -> Html:
    return Html('<a href="#{}">{}</a>').format(anchor, words)
