"""What people see in the terminal: progress on stderr, results on stdout."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Column, Table
from rich.text import Text

from cellport.ctrl_c import in_steps, stop_if_pressed
from cellport.runtime.atlas.assumed import describe_batch, describe_labels
from cellport.runtime.atlas.thresholds import MEANING, thresholds_that_apply
from cellport.runtime.base.names import listed
from cellport.runtime.decisions import text

if TYPE_CHECKING:
    from cellport.demo import DemoResult
    from cellport.runtime.atlas.file import AtlasFile
    from cellport.runtime.atlas.manifest import HeldOut, Manifest
    from cellport.runtime.cluster.plan import Plan
    from cellport.runtime.compare.found import Comparison
    from cellport.runtime.convert.write import Converted
    from cellport.runtime.explain import Explanation
    from cellport.runtime.export.api import Exported
    from cellport.runtime.fetch.pull import Pulled
    from cellport.runtime.fetch.registry import Entry
    from cellport.runtime.map_files import Summary
    from cellport.runtime.mapping.pipeline import Stream
    from cellport.runtime.mapping.query import QueryFacts
    from cellport.runtime.mapping.verify import Check
    from cellport.runtime.outlook import PanelOutlook
    from cellport.runtime.rank import AtlasFit
    from cellport.train.progress import OnProgress
    from cellport.train.progress import Progress as TrainingProgress
    from cellport.web.server.publish import Published
    from cellport.web.server.serve import Listening

_MOST_ROWS = 25
# labels and groups that are named in a row: an atlas of 500 types filled seven screens
_MOST_NAMES = 60
_NAMED = 10
# of a query and an atlas, by `AtlasFit`
_RANKED = ("genes", "like it", "called", "prob.", "labels", "fit")


def _console(*, stderr: bool = False) -> Console:
    # names of files, genes and labels may look like markup, and are not
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False)


def _bar(*columns: ProgressColumn) -> Progress:
    console = _console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def say(text: str | Text) -> None:
    """Print a line of progress."""
    _console(stderr=True).print(text, soft_wrap=True)


def tell(text: str) -> None:
    """Print a line of a result."""
    _console().print(text, soft_wrap=True)


def warm_up() -> None:
    """Compile the kernels where that has not been done, and say so: it takes a few seconds."""
    from cellport.kernels.machine_code import is_compiled, warmup

    if not is_compiled():
        say("Compiling, once for this installation ...")
        warmup()


@contextmanager
def training(doing: str = "training") -> Iterator[OnProgress]:
    """Show a bar with the losses while a model trains, or ten lines where nobody watches."""
    what, how_far = TextColumn(doing), TextColumn("{task.fields[state]}")
    with _bar(SpinnerColumn(), what, BarColumn(), how_far, TimeRemainingColumn()) as bar:
        task = bar.add_task(doing, total=None, state="reading the reference")
        said: dict[str, int] = {}

        def on_progress(progress: TrainingProgress) -> None:
            stop_if_pressed()
            if progress.note:
                say(Text.assemble(("note:", "yellow"), f" {progress.note}"))
            losses = "  ".join(f"{name} {value:.3g}" for name, value in progress.losses.items())
            count = f"{progress.epoch:,}/{progress.epochs:,}"
            state = f"{progress.part}, {progress.unit} {count}  {losses}".rstrip()
            done = progress.epoch + progress.within
            bar.update(task, total=progress.epochs, completed=done, state=state)
            tenth = 10 * progress.epoch // progress.epochs
            if bar.disable and tenth > said.get(progress.part, 0):
                said[progress.part] = tenth
                say(f"{doing}: {state}")

        yield on_progress


class MappingView:
    """A bar in cells and cells per second, and what was found in the queries before it."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task = bar.add_task("mapping", total=None, speed="")

    def started(self, streams: list[Stream]) -> None:
        """Say what will be mapped and how its genes matched."""
        in_steps(True)
        self._found([stream.facts for stream in streams])
        fell_back = streams[0].device == "cpu" and streams[0].gpu_build
        say(f"device: {streams[0].device}" + (" (no usable CUDA card found)" if fell_back else ""))

    def planned(self, plan: Plan) -> None:
        """Say the same of a mapping on a cluster."""
        self._found([query.facts for query in plan.queries])
        say(f"{plan.n_cells:,} cells in {sum(1 for _ in plan.parts()):,} parts")

    def _found(self, queries: list[QueryFacts]) -> None:
        for query in queries:
            report = query.genes
            rules = ", ".join(f"{n:,} by {rule}" for rule, n in report["by_rule"].items() if n)
            say(
                f"{query.counts_from}: {query.n_cells:,} cells; {report['n_matched']:,} of "
                f"{report['n_panel']:,} atlas genes found in {report['column']!r} ({rules})"
            )
            for note in query.notes:
                say(Text.assemble(("note:", "yellow"), f" {note}"))
        self._bar.update(self._task, total=sum(query.n_cells for query in queries))

    def cells(self, done: int) -> None:
        """Advance to so many cells."""
        stop_if_pressed()
        if done == self._bar.tasks[0].total:
            in_steps(False)
        speed = self._bar.tasks[0].speed
        self._bar.update(self._task, completed=done, speed=f"{speed:,.0f} cells/s" if speed else "")


@contextmanager
def mapping() -> Iterator[MappingView]:
    """Show a bar while cells are mapped."""
    count = TextColumn("{task.completed:,.0f} cells  {task.fields[speed]}")
    with _bar(TextColumn("mapping"), BarColumn(), count, TimeRemainingColumn()) as bar:
        yield MappingView(bar)


@contextmanager
def fetching() -> Iterator[Callable[[int, int | None], None]]:
    """Show a bar in bytes while an atlas is fetched."""
    columns = (TextColumn("fetching"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with _bar(*columns) as bar:
        task = bar.add_task("fetching", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def pulled(atlas: Pulled) -> None:
    """Print where an atlas is."""
    how = f"fetched from {atlas.source}" if atlas.fetched else "was here already"
    tell(f"{atlas.name} ({atlas.size / 1e6:.1f} MB) {how}: {atlas.path}")
    tell(f"sha256: {atlas.sha256}")
    notes(atlas.notes)


def known(entries: list[tuple[Entry, bool]]) -> None:
    """Print the atlases known by name."""
    table = Table(Column("name", no_wrap=True), "what", "MB", "")
    for entry, here in entries:
        state = "in the package" if entry.file else "fetched" if here else "to be fetched"
        size = f"{entry.size / 1e6:.1f}" if entry.size else ""
        table.add_row(entry.name, entry.description, size, state)
    _console().print(table)


@contextmanager
def asking() -> Iterator[Callable[[str], None]]:
    """Show which atlas is asked."""
    with _bar(TextColumn("asking {task.description}"), TimeElapsedColumn()) as bar:
        task = bar.add_task("", total=None)
        yield lambda name: bar.update(task, description=name)


def ranked(fits: tuple[AtlasFit, ...]) -> None:
    """Print how a query fits atlases, the best first, and why it cannot be mapped onto others."""
    rights = [Column(name, justify="right") for name in _RANKED]
    table = Table(Column("atlas", no_wrap=True), "organism", *rights)
    for fit in fits:
        if not fit.refused:
            shares = (fit.genes, fit.like, fit.called)
            told = ["" if share is None else f"{share:.0%}" for share in shares]
            prob = "" if fit.right is None else f"{fit.right:.2f}"
            labels = f"{fit.types} of {fit.n_labels}"
            table.add_row(fit.atlas, fit.organism, *told, prob, labels, f"{fit.score:.2f}")
    console = _console()
    if table.row_count:
        console.print(table)
        console.print(f"Best: {fits[0].atlas}. {fits[0].sentence}")
    else:
        console.print(text("rank.none"))
    for fit in fits:
        if fit.refused:
            console.print(f"{fit.atlas}: {fit.refused}", style="dim")


def outlook(found: PanelOutlook) -> None:
    """Print how the cells of each label would fare with some genes, and what would help."""
    rights = [Column(name, justify="right") for name in ("right", "with all genes", "F1")]
    table = Table("label", *rights, "else taken for")
    for one in found.labels:
        others = ", ".join(f"{name} {share:.0%}" for name, share in one.mistaken_for)
        shares = f"{one.recall:.0%}", f"{one.recall_whole:.0%}", f"{one.f1:.2f}"
        table.add_row(one.label, *shares, others)
    console = _console()
    console.print(table)
    console.print(found.sentence)
    for group in found.merged:
        console.print(f"Not told apart: {', '.join(group)}.")
    if found.merged:
        console.print(
            f"With those as one, {found.accuracy_merged:.0%} of made-up cells would be right."
        )
    if found.wanted:
        console.print(f"Genes that would help most: {', '.join(found.wanted)}.")
    if found.unknown:
        some = ", ".join(found.unknown[:_NAMED])
        rest = ", ..." if len(found.unknown) > _NAMED else ""
        say(f"{len(found.unknown)} names are not among the atlas's genes: {some}{rest}")


def converted(made: Converted) -> None:
    """Say how near an atlas is to the model that it was made of, and what is not known of it."""
    say(f"answers within {made.difference:.1g} of the model's on made-up cells")
    notes(made.notes)


def notes(notes: tuple[str, ...]) -> None:
    """Say what whoever made something should know, a line each."""
    for note in notes:
        say(Text.assemble(("note:", "yellow"), f" {note}"))


def published(site: Published) -> None:
    """Print what a site is made of."""
    names = ", ".join([site.atlas, *(one.name for one in site.others)])
    tell(f"{names}: {site.n_files} files, {site.n_bytes / 1e6:.1f} MB -> {site.folder}")
    tell(f"{site.download}, sha256: {site.sha256}")
    for one in site.others:
        tell(f"{one.download}, sha256: {one.sha256}")


def listening(at: Listening) -> None:
    """Print where the server listens."""
    say(f"Listening at {at.url} (API: /api/openapi.json). Ctrl-C stops it.")


def mapped(summary: Summary) -> None:
    """Print the result of a mapping."""
    console = _console()
    if summary.calls:
        table = Table("call", "cells", "share", title="Cells by call", title_justify="left")
        for name, number in list(summary.calls.items())[:_MOST_ROWS]:
            table.add_row(name, f"{number:,}", f"{number / max(summary.n_cells, 1):.1%}")
        rest = list(summary.calls.values())[_MOST_ROWS:]
        if rest:
            table.add_row(f"{len(rest)} more", f"{sum(rest):,}", "")
        console.print(table)
        if summary.mean_prob:
            console.print(f"mean probability of the best label: {summary.mean_prob:.2f}")
    flagged = {name: n for name, n in summary.quality.items() if name != "ok"}
    if flagged:
        console.print("flagged: " + ", ".join(f"{n:,} {name}" for name, n in flagged.items()))
    line = f"{summary.n_cells:,} cells in {summary.seconds:.1f} s -> {summary.out}"
    if summary.parts is not None:
        kept = f", {summary.parts_kept:,} of them there before" if summary.parts_kept else ""
        line += f" ({summary.parts:,} parts{kept})"
    tell(line)
    if summary.report:
        tell(f"report: {summary.report}")
    if summary.lineage_genes:
        tell(f"genes along the lineages: {summary.lineage_genes}")
    if summary.pseudobulk:
        tell(f"summed counts: {summary.pseudobulk}")


def compared(found: Comparison) -> None:
    """Print what changes between conditions."""
    console = _console()
    kind = next((one.kind for one in found.composition), "")
    rows = [one for one in found.composition if one.kind == kind]
    table = Table(kind, "against", "there", "here", "times", "95 %", "p", "adjusted",
                  title="Shares of samples", title_justify="left")  # fmt: skip
    for one in sorted(rows, key=lambda change: (change.p != change.p, change.p))[:_MOST_ROWS]:
        times = [f"{2**x:.2f}" if x == x else "" for x in (one.change, one.low, one.high)]
        interval = f"{times[1]} to {times[2]}" if times[1] else ""
        p = [f"{x:.2g}" if x == x else "" for x in (one.p, one.p_adjusted)]
        shares = f"{one.mean_reference:.1%}", f"{one.mean_level:.1%}"
        named = f"{one.category} in {one.level}"
        table.add_row(named, one.reference, *shares, times[0], interval, *p)
    console.print(table)
    for tested in found.expression:
        if tested.genes is not None:
            first = ", ".join(tested.genes["gene"].tolist()[:5])
            told = f"{tested.significant:,} of {len(tested.genes):,} genes change"
            console.print(f"{tested.type}, {tested.level}: {told}, first {first}")
    for note in found.notes:
        console.print(note)


def exported(found: Exported) -> None:
    """Print which files were written."""
    for file in found.files:
        tell(file)
    notes(found.notes)


def explained(found: Explanation) -> None:
    """Print which genes spoke for labels."""
    by_cell = any(one.cell for one in found.reasons)
    first = ["cell", "label"] if by_cell else ["label", "cells looked at"]
    table = Table(*first, "next label", "genes, the strongest first", "probability, and without")
    for one in found.reasons[:_MOST_ROWS]:
        of = [one.cell, one.label] if by_cell else [one.label, f"{one.cells:,}"]
        genes = ", ".join(gene.gene for gene in one.genes) or "none spoke for it"
        sure = f"{one.probability:.2f}, {one.probability_without:.2f}"
        table.add_row(*of, one.runner_up, genes, sure)
    _console().print(table)
    if len(found.reasons) > _MOST_ROWS:
        tell(f"{len(found.reasons) - _MOST_ROWS:,} more in the table that -o writes")


def atlas(file: AtlasFile) -> None:
    """Print what is in an atlas."""
    m, made = file.manifest, file.manifest.provenance
    table = Table(show_header=False, box=None, title=m.name, title_justify="left")
    rows = {
        "file": f"{file.path} ({sum(file.members.values()) / 1e6:.1f} MB)",
        "sha256": file.sha256,
        "format": f"{file.format_version}, needs cellport {m.minimum_runtime} or newer",
        "organism": m.organism or "not stated",
        "made": f"{made.created} by {made.made_by}"
        + (f", on {made.cells:,} cells" if made.cells else ""),
        "source": made.source or "not stated",
        **({"authors": made.authors} if made.authors else {}),
        "licence": made.licence or "not stated",
        **({"attribution": made.attribution} if made.attribution else {}),
        **({"limits": made.limits} if made.limits else {}),
        **({"converted from": made.converted_from} if made.converted_from else {}),
        "genes": f"{m.n_genes:,}, for example {', '.join(m.panel.symbols[:5])}",
        "latent": f"{m.n_latent} dimensions",
        **({"batches": f"{len(m.batches)}: {', '.join(m.batches[:8])}"} if m.batches else {}),
        "labels": f"{len(m.labels)}: {listed(m.labels, _MOST_NAMES)}" if m.labels else "none",
    }
    if m.assumed_batch is not None:
        rows["batch of a cell"] = describe_batch(m.assumed_batch)
    groups = dict.fromkeys(m.parents.values())
    if groups:
        rows["groups"] = f"{len(groups)}: {listed(list(groups), _MOST_NAMES)}"
    rows |= _shape(m) | _how_good(m)
    rows |= {"careful": "\n".join(made.cautions)} if made.cautions else {}
    for name, value in rows.items():
        table.add_row(name, value)
    for i, (name, number) in enumerate(thresholds_that_apply(m).items()):
        table.add_row("" if i else "thresholds", f"{name} {number:g} ({MEANING[name]})")
    _console().print(table)
    if m.held_out is not None:
        _reliability(m.held_out)


def _shape(manifest: Manifest) -> dict[str, str]:
    """Rows about clusters and trajectory."""
    structure = manifest.structure
    if structure is None or not structure.clusters:
        return {}
    graph = structure.trajectory
    edges = graph.edge_names if graph else ()
    rest = f" and {len(edges) - 8} more" if len(edges) > 8 else ""
    why = f": {structure.no_trajectory}" if structure.no_trajectory else ""
    rows = {
        "clusters": f"{len(structure.clusters)}",
        "trajectory": "; ".join(edges[:8]) + rest if edges else f"none{why}",
    }
    if graph and graph.root_from:
        rows["starts at"] = "; ".join(graph.root_from)
    return rows


def _how_good(manifest: Manifest) -> dict[str, str]:
    """Rows about held-out cells."""
    rows = {}
    scores = manifest.held_out
    if scores is not None:
        of = "cells of unseen batches" if scores.by == "batch" else "cells"
        rows["held out"] = (
            f"accuracy {scores.accuracy:.3f}, macro-F1 {scores.macro_f1:.3f}, calibration error "
            f"{scores.ece:.3f} on {scores.cells:,} {of}"
            + (f": {scores.doubt}" if scores.doubt else "")
        )
    if manifest.labels and not manifest.head.set_prob:
        rows["calibration"] = describe_labels(manifest)
    elif manifest.labels:
        how = manifest.head.calibration
        rows["calibration"] = f"softness {how.softness:.2f} (0 leaves probabilities as they are)"
        if how.temperature < 1:
            rows["calibration"] += f", temperature {how.temperature:.2f} (below 1 sharpens them)"
    if scores is not None and scores.sets is not None:
        rows["label sets"] = (
            f"hold the true label of {scores.sets.coverage:.1%} of held-out cells (meant: "
            f"{scores.sets.level:.0%}), {scores.sets.mean_size:.2f} labels on average"
        )
    return rows


def _reliability(scores: HeldOut) -> None:
    """Print how often labels were right by their probability."""
    table = Table("probability", "cells", "mean", "right", title="Held-out labels by probability")
    for one in scores.reliability:
        if one.cells:
            between, cells = f"{one.low:.2f} to {one.high:.2f}", f"{one.cells:,}"
            table.add_row(between, cells, f"{one.confidence:.2f}", f"{one.accuracy:.2f}")
    if table.row_count:
        _console().print(table)


def verified(checks: list[Check]) -> None:
    """Print how each check of an atlas went."""
    table = Table("check", "largest difference", "")
    for check in checks:
        mark = Text("passed", "green") if check.passed else Text("FAILED", "red")
        table.add_row(check.name, f"{check.difference:.1e}", mark)
    _console().print(table)


def demo(result: DemoResult) -> None:
    """Print how the demonstration went."""
    console = _console()
    table = Table("cell type", "cells", "right", title="Smart-seq2 cells, by their published type")
    for name, (right, number) in result.by_type.items():
        table.add_row(name, str(number), f"{right / number:.0%}")
    console.print(table)
    console.print(
        f"accuracy {result.accuracy:.3f}, macro-F1 {result.macro_f1:.3f}, "
        f"{result.seconds:.0f} s in all"
    )
    for what, path in result.files.items():
        tell(f"{what}: {path}")
