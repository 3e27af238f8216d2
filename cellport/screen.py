"""What people see in the terminal: progress on stderr, results on stdout."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table
from rich.text import Text

from cellport.ctrl_c import in_steps, stop_if_pressed
from cellport.runtime.atlas.thresholds import MEANING
from cellport.runtime.errors import AtlasError

if TYPE_CHECKING:
    from cellport.demo import DemoResult
    from cellport.runtime.atlas.file import AtlasFile, Manifest
    from cellport.runtime.cluster.plan import Plan
    from cellport.runtime.fetch.pull import Pulled
    from cellport.runtime.fetch.registry import Entry
    from cellport.runtime.map_files import Summary
    from cellport.runtime.mapping.atlas import Stream
    from cellport.runtime.mapping.provenance import QueryFacts
    from cellport.runtime.mapping.verify import Check
    from cellport.train.progress import OnProgress
    from cellport.train.progress import Progress as TrainingProgress
    from cellport.web.server.publish import Published

_MOST_ROWS = 25


def _console(*, stderr: bool = False) -> Console:
    # names of files, genes and labels may look like markup, and are not
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False)


def _bar(*columns: ProgressColumn) -> Progress:
    console = _console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def say(text: str | Text) -> None:
    """Print a line of progress."""
    _console(stderr=True).print(text, soft_wrap=True)


def warm_up() -> None:
    """Compile the kernels where that has not been done, and say so: it takes a few seconds."""
    from cellport.kernels.warmup import is_compiled, warmup

    if not is_compiled():
        say("Compiling, once for this installation ...")
        warmup()


@contextmanager
def training() -> Iterator[OnProgress]:
    """Show a bar with the losses while a model trains, or ten lines where nobody watches."""
    bar = _bar(
        SpinnerColumn(),
        TextColumn("training"),
        BarColumn(),
        TextColumn("{task.fields[state]}"),
        TimeRemainingColumn(),
    )
    with bar:
        task = bar.add_task("training", total=None, state="reading the reference")

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
                say(f"training: {state}")

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
    bar = _bar(
        TextColumn("mapping"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} cells  {task.fields[speed]}"),
        TimeRemainingColumn(),
    )
    with bar:
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
    console = _console()
    console.print(f"{atlas.name} ({atlas.size / 1e6:.1f} MB) {how}: {atlas.path}", soft_wrap=True)
    console.print(f"sha256: {atlas.sha256}", soft_wrap=True)


def known(entries: list[tuple[Entry, bool]]) -> None:
    """Print the atlases known by name."""
    table = Table("name", "what", "MB", "")
    for entry, here in entries:
        state = "in the package" if entry.file else "fetched" if here else "to be fetched"
        table.add_row(entry.name, entry.description, f"{entry.size / 1e6:.1f}", state)
    _console().print(table)


def published(site: Published) -> None:
    """Print what a site is made of."""
    console = _console()
    console.print(
        f"{site.atlas}: {site.n_files} files, {site.n_bytes / 1e6:.1f} MB -> {site.folder}",
        soft_wrap=True,
    )
    console.print(f"{site.download}, sha256: {site.sha256}", soft_wrap=True)


def listening(url: str) -> None:
    """Print where the server listens."""
    say(f"Listening at {url} (API: /api/openapi.json). Ctrl-C stops it.")


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
        console.print(f"mean probability of the best label: {summary.mean_prob:.2f}")
    flagged = {name: n for name, n in summary.quality.items() if name != "ok"}
    if flagged:
        console.print("flagged: " + ", ".join(f"{n:,} {name}" for name, n in flagged.items()))
    line = f"{summary.n_cells:,} cells in {summary.seconds:.1f} s -> {summary.out}"
    if summary.parts is not None:
        kept = f", {summary.parts_kept:,} of them there before" if summary.parts_kept else ""
        line += f" ({summary.parts:,} parts{kept})"
    console.print(line, soft_wrap=True)
    if summary.report:
        console.print(f"report: {summary.report}", soft_wrap=True)
    if summary.lineage_genes:
        console.print(f"genes along the lineages: {summary.lineage_genes}", soft_wrap=True)


def atlas(file: AtlasFile) -> None:
    """Print what is in an atlas."""
    m, training_facts = file.manifest, file.manifest.training
    table = Table(show_header=False, box=None, title=m.name, title_justify="left")
    rows = {
        "file": f"{file.path} ({sum(file.members.values()) / 1e6:.1f} MB)",
        "sha256": file.sha256,
        "format": f"{file.format_version}, needs cellport {m.minimum_runtime} or newer",
        "organism": m.organism or "not stated",
        "licence": m.licence or "not stated",
        "trained": f"{m.created} on {_number(training_facts, 'cells') or 0:,.0f} cells",
        "genes": f"{m.n_genes:,}, for example {', '.join(m.symbols[:5])}",
        "latent": f"{m.n_latent} dimensions",
        "batches": f"{len(m.batches)}: {', '.join(m.batches[:8])}",
        "labels": f"{len(m.labels)}: {', '.join(m.labels)}" if m.labels else "none",
    }
    groups = dict.fromkeys(m.parents.values()) if any(m.parents) else {}
    if groups:
        rows["groups"] = f"{len(groups)}: {', '.join(groups)}"
    for name, value in [*rows.items(), *_shape(m), *_how_good(training_facts)]:
        table.add_row(name, value)
    for i, (name, number) in enumerate(m.thresholds.items()):
        meaning = f" ({MEANING[name]})" if name in MEANING else ""
        table.add_row("" if i else "thresholds", f"{name} {number:g}{meaning}")
    _console().print(table)
    _reliability(training_facts)


def _shape(manifest: Manifest) -> list[tuple[str, str]]:
    """Rows about clusters and trajectory, where the manifest says something sensible of them."""
    from cellport.runtime.atlas.structure import structure_names

    try:
        names = structure_names(manifest)
    except AtlasError:
        return []
    if not names.clusters:
        return []
    rows = [("clusters", f"{len(names.clusters)}")]
    stated = manifest.training["structure"].get("trajectory", "none")
    found = "; ".join(names.edges[:8]) if names.edges else str(stated)
    rest = f" and {len(names.edges) - 8} more" if len(names.edges) > 8 else ""
    return [*rows, ("trajectory", found + rest)]


def _how_good(training_facts: dict[str, Any]) -> list[tuple[str, str]]:
    """Rows about held-out cells: what is there of them, for any program may write a manifest."""
    scores = training_facts.get("held_out")
    scores = scores if isinstance(scores, dict) else {}
    rows = []
    in_words = {"accuracy": "accuracy", "macro_f1": "macro-F1", "ece": "calibration error"}
    found = {words: _number(scores, key) for key, words in in_words.items()}
    known = [f"{words} {value:.3f}" for words, value in found.items() if value is not None]
    if known:
        of = "cells of unseen batches" if scores.get("by") == "batch" else "cells"
        rows.append(
            ("held out", f"{', '.join(known)} on {_number(scores, 'cells') or 0:,.0f} {of}")
        )
    softness = _number(training_facts, "softness")
    if softness is not None:
        rows.append(
            ("calibration", f"softness {softness:.2f} (0 leaves probabilities as they are)")
        )
    sets = scores.get("conformal")
    sets = sets if isinstance(sets, dict) else {}
    level, coverage, size = (_number(sets, key) for key in ("level", "coverage", "mean_size"))
    if level is not None and coverage is not None and size is not None:
        rows.append(
            (
                "label sets",
                f"hold the true label of {coverage:.1%} of held-out cells (meant: {level:.0%}), "
                f"{size:.2f} labels on average",
            )
        )
    return rows


def _reliability(training_facts: dict[str, Any]) -> None:
    """Print how often labels were right by their probability, where the atlas says so."""
    scores = training_facts.get("held_out")
    bins = scores.get("reliability") if isinstance(scores, dict) else None
    keys = ("low", "high", "cells", "confidence", "accuracy")
    table = Table("probability", "cells", "mean", "right", title="Held-out labels by probability")
    for entry in bins if isinstance(bins, list) else []:
        values = [_number(entry, key) for key in keys] if isinstance(entry, dict) else []
        known = [value for value in values if value is not None]
        if len(known) == len(keys) and known[2]:
            low, high, cells, confidence, accuracy = known
            table.add_row(
                f"{low:.2f} to {high:.2f}", f"{cells:,.0f}", f"{confidence:.2f}", f"{accuracy:.2f}"
            )
    if table.row_count:
        _console().print(table)


def _number(facts: dict[str, Any], key: str) -> float | None:
    value = facts.get(key)
    return value if type(value) in (int, float) else None


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
        console.print(f"{what}: {path}", soft_wrap=True)
