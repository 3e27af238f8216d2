"""Where the time of a whole `train_atlas` goes, step by step."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import cellport
from benchmarks.shared.data import LUNG
from benchmarks.shared.timing import Spent, spend
from benchmarks.training.files import whole_file
from cellport.train import api, build
from cellport.train.labels import left_out

# what is timed, where its caller finds it; those of `left_out` are parts of the calibration
STEPS: tuple[tuple[Any, str, str], ...] = (
    (api, "_read", "names, labels and batches read"),
    (build, "_panel", "panel chosen"),
    (build, "fit", "model trained"),
    (build, "infer", "all cells encoded"),
    (build, "answers_for_left_out_batches", "models without some batches"),
    (left_out, "fit", "of that, training"),
    (left_out, "_novelty_p", "of that, novelty"),
    (build, "learn_layout", "map"),
    (build, "fit_structure", "clusters and trajectory"),
    (build, "fit_novelty", "novelty"),
    (build, "export_atlas", "export"),
)


def parts(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Seconds by the clock and of the processors for each step, and for all of them."""
    path = whole_file(options.cache, options.cells)
    out = options.cache / "parts.cellport"
    spent: dict[str, list[Spent]] = {}
    with ExitStack() as stack:
        for place, name, step in STEPS:
            stack.enter_context(timed_step(place, name, spent.setdefault(step, [])))
        of_all, _ = spend(
            lambda: cellport.train_atlas(
                path, out, labels=LUNG.label, batch=LUNG.batch, device="cpu"
            )
        )
    out.unlink()
    spent["all"] = [of_all]
    return [
        {
            "step": step,
            "wall_s": round(sum(one.wall for one in times), 1),
            "cpu_s": round(sum(one.cpu for one in times), 1),
        }
        for step, times in spent.items()
    ]


@contextmanager
def timed_step(place: Any, name: str, times: list[Spent]) -> Iterator[None]:
    """Note what each call of a function costs."""
    work: Callable[..., Any] = getattr(place, name)

    def watched(*given: Any, **named: Any) -> Any:
        took, made = spend(lambda: work(*given, **named))
        times.append(took)
        return made

    with patch.object(place, name, watched):
        yield
