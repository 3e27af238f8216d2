"""What ``docs/scaling.md`` shows between its marks."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any

from benchmarks.shared.results import RESULTS, ROOT, add, fill, markdown, read

PAGE = ROOT / "docs" / "scaling.md"


def blocks() -> dict[str, str]:
    """Text of each mark, from the results."""
    scaling = read(RESULTS / "scaling.json")["scaling"]
    return {
        "benchmarks.scaling.cluster": in_words(read(RESULTS / "cluster.json")),
        "benchmarks.scaling, rates": rates(scaling),
        "benchmarks.scaling, costs": costs_table(scaling["simulated"]),
    }


def measure_and_publish(
    command: argparse.ArgumentParser, name: str, measure: Callable[[argparse.Namespace], Any]
) -> None:
    """Do what a command line asks for: measure, keep it by its name, print it, fill the page.

    With ``--table`` nothing is measured, and with ``--out`` the page stays as it is.
    """
    options = command.parse_args()
    if not options.table:
        found = measure(options)
        print(json.dumps(found, indent=1), flush=True)
        add(options.out, name, found, options.note)
    if options.out == command.get_default("out"):
        publish()


def publish() -> None:
    """Put tables and words into the page."""
    for mark, text in blocks().items():
        fill(PAGE, mark, text)


def rates(found: dict[str, Any]) -> str:
    """Say what was measured, as a table."""
    stages, cells = found["seconds_of_a_part"], found["part_cells"]
    whole = sum(stages.values())
    inflated = found["inflated_bytes_a_part"]
    rows = {
        f"a part of {cells:,} cells, one core": f"{whole:.2f} s, of which "
        f"{stages['opening']:.2f} opening, {stages['reading']:.2f} reading and inflating, "
        f"{stages['mapping']:.2f} the network, {stages['writing']:.2f} Parquet",
        "a core": f"{found['cells_a_second_of_a_core']:,} cells/s",
        "read from the disk": f"{found['bytes_a_part'] / cells / 1e3:.1f} kB a cell, "
        f"{found['disk_mb_a_second_of_a_core']:.0f} MB/s a core",
        "the disk here, first read": f"{found['disk_mb_a_second']:,} MB/s: "
        f"{found['cores_that_fill_the_disk']:.1f} cores",
        "inflating": f"{inflated / cells / 1e3:.1f} kB of counts a cell, "
        f"{found['inflate_mb_a_second_of_a_core']:,} MB/s a core",
        "memory": f"a core copies {found['memory_gb_a_second_of_a_core']:.1f} GB/s; its counts are "
        f"{inflated / whole / 1e9:.2f} GB/s",
        "written": f"{found['bytes_written_a_part'] / cells:.0f} bytes a cell",
        "Dask": f"{found['worker_start_seconds']:.1f} s to start, "
        f"{1000 * found['dask_seconds_a_task']:.1f} ms a part",
    }
    return f"{markdown(['what', 'measured'], rows.items(), 'll')}\n\n*{_where(found)}.*"


def costs_table(rows: list[dict[str, Any]]) -> str:
    columns = {
        "disk MB/s": "disk_mb_a_second",
        "cells": "cells",
        "workers": "workers",
        "minutes": "minutes",
        "core hours": "core_hours",
        "cells/s": "cells_a_second",
        "read GB": "read_gb",
        "written GB": "written_gb",
    }
    lines = [[f"{row[name]:,}" for name in columns.values()] for row in rows]
    return markdown(list(columns), lines, "r" * len(columns))


def in_words(results: dict[str, Any]) -> str:
    """Say what the three measurements found, as far as they were made."""
    lines = []
    if "speed" in results:
        found = results["speed"]
        rates = found["cells_per_second"]
        lines.append(
            f"- {found['cells']:,} cells in {found['files']} gzip files: one worker process of one "
            f"thread {rates['one']:,} cells/s, two {rates['two']:,} cells/s, "
            f"{found['speed_up']:.2f} times as many ({_where(found)})."
        )
    if "kills" in results:
        found = results["kills"]
        killed = found["workers_killed"]
        lines.append(
            f"- {found['cells']:,} cells in {found['parts']} parts, {killed[0]} times SIGKILL to a "
            f"worker during the run, {len(killed)} runs: every cell once, the results those of one "
            f"process bit for bit ({_where(found)})."
        )
    if "restarts" in results:
        found = results["restarts"]
        done = found["parts_done_when_killed"]
        lines.append(
            f"- SIGKILL to the whole command at a random moment, {found['kills']} times, with "
            f"{min(done)} to {max(done)} of {found['parts']} parts done, and the command again: "
            f"every file of the dataset byte for byte that of an undisturbed run ({_where(found)})."
        )
    if "large" in results:
        found = results["large"]
        stopped, went_on = found["stopped"], found["went_on"]
        memory = max(stopped["peak_mb"], went_on["peak_mb"]) / 1e3
        lines.append(
            f"- {found['cells']:,} cells in {found['files']} gzip files "
            f"({found['cells'] // found['copies']:,} cells, {found['copies']} times) on two worker "
            f"processes of one thread: Ctrl-C with {found['parts_kept']} parts done ended it "
            f"within {stopped['seconds_to_stop']:.1f} s, and the same command did the others: "
            f"{stopped['seconds']:,.0f} and {went_on['seconds']:,.0f} s, "
            f"{found['cells_a_second']:,} cells/s, at most "
            f"{memory:.1f} GB of memory in all processes. The simulation below says "
            f"{found['simulated_seconds']:,} s ({_where(found)})."
        )
    if "millions" in results:
        lines.append(_millions(results["millions"]))
    return "\n".join(lines)


def _millions(found: dict[str, Any]) -> str:
    large, small = found["large"], found["small"]
    trained = large["trained"]
    rest = "what was left when it went on from its checkpoint took " if trained["went_on"] else ""
    return (
        f"- An atlas of {found['cells']:,} generated cells and {found['types']} types, trained "
        f"from a gzip file of {large['reference_gb']:.1f} GB by the plain command, calibration, "
        f"clusters and map included: {rest}{trained['wall_s'] / 60:.0f} minutes "
        f"({trained['cpu_s'] / 60:.0f} processor minutes), at most "
        f"{trained['peak_mb'] / 1e3:.1f} GB of memory. The atlas has {large['atlas_mb']:,.0f} MB, "
        f"opens in {large['open_s']:.2f} s, and maps {found['query_cells']:,} other cells in "
        f"{large['map_mb']:,} MB of memory besides the file ({small['map_mb']:,} with an atlas of "
        f"a hundredth of the cells), accuracy {large['accuracy']:.3f} and macro-F1 "
        f"{large['macro_f1']:.3f} ({small['accuracy']:.3f} and {small['macro_f1']:.3f}; "
        f"{_where(found)})."
    )


def _where(found: dict[str, Any]) -> str:
    return f"{found['date']}, {found['machine']}"
