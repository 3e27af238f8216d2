"""Which samples are compared, how, and what their number and arrangement do not allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.decisions import say, texts, whole
from cellport.runtime.errors import InputError

FEWEST_SAMPLES = whole("compare.fewest_samples")
FEWEST_FREEDOM = whole("compare.fewest_freedom")
# what a condition is called that others are compared with, where nobody says so
_REFERENCES = texts("compare.references")


@dataclass(frozen=True, slots=True)
class Samples:
    """The samples of a study; those without a condition are left out."""

    names: tuple[str, ...]
    condition: tuple[str, ...]  # of each
    pair: tuple[str, ...] | None = None  # what each is compared within: a patient, say
    batch: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.names)

    def rows(self, keep: Sequence[bool] | NDArray[np.bool_]) -> Samples:
        """Return some of the samples."""

        def of(values: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(value for value, kept in zip(values, keep, strict=True) if kept)

        return Samples(
            of(self.names),
            of(self.condition),
            None if self.pair is None else of(self.pair),
            None if self.batch is None else of(self.batch),
        )


@dataclass(frozen=True, slots=True)
class Design:
    """A linear model of samples: a constant, a column a condition, and what is held even."""

    samples: Samples  # those in it
    reference: str  # condition that the others are compared with
    level: str  # the condition that is compared
    matrix: NDArray[np.float64]  # [samples, coefficients]; the second is the comparison
    notes: tuple[str, ...]  # what was left out and why, a sentence each
    refusal: str = ""  # why no p-value can be had, and what would be needed; '' where it can

    @property
    def formula(self) -> str:
        """The model as R writes it."""
        held = [name for name in ("pair", "batch") if getattr(self.samples, name) is not None]
        return "~" + " + ".join([*held, "condition"])


def reference_level(conditions: Sequence[str], asked: str | None) -> str:
    """Return the condition that others are compared with.

    Raises
    ------
    InputError
        There is no such condition, or a single one.
    """
    known = sorted(set(conditions))
    if asked is not None and asked not in known:
        listed = ", ".join(f"'{one}'" for one in known[:10])
        raise InputError(f"--reference-level: there is no condition '{asked}'; there are {listed}.")
    if len(known) < 2:
        only = f"'{known[0]}'" if known else "none"
        raise InputError(say("compare.one_condition", only=only))
    usual = [one for one in known if one.lower().replace("_", "").replace("-", "") in _REFERENCES]
    return asked or (usual or known)[0]


def designs(samples: Samples, asked: str | None = None) -> list[Design]:
    """Return a design for each condition beside the one that they are compared with."""
    reference = reference_level(samples.condition, asked)
    others = sorted(set(samples.condition) - {reference})
    return [design_of(samples, reference, level) for level in others]


def design_of(samples: Samples, reference: str, level: str) -> Design:
    """Lay out the comparison of two conditions, with the samples of both alone."""
    chosen = samples.rows([one in (reference, level) for one in samples.condition])
    notes: list[str] = []
    if chosen.pair is not None:
        chosen, notes = _whole_pairs(chosen, reference, level)
    matrix = _matrix(chosen, level)
    refusal = _refusal(chosen, reference, level, matrix)
    return Design(chosen, reference, level, matrix, tuple(notes), refusal)


def _whole_pairs(samples: Samples, reference: str, level: str) -> tuple[Samples, list[str]]:
    """Leave out the samples of pairs that lack a side."""
    assert samples.pair is not None
    sides: dict[str, set[str]] = {}
    for pair, condition in zip(samples.pair, samples.condition, strict=True):
        sides.setdefault(pair, set()).add(condition)
    lone = sorted(pair for pair, there in sides.items() if len(there) < 2)
    if not lone:
        return samples, []
    keep = [pair not in lone for pair in samples.pair]
    listed = ", ".join(f"'{one}'" for one in lone[:5]) + (", …" if len(lone) > 5 else "")
    ends = {"reference": reference, "level": level}
    note = say("compare.lone_pairs", lone=len(lone), pairs=len(sides), listed=listed, **ends)
    return samples.rows(keep), [note]


def _matrix(samples: Samples, level: str) -> NDArray[np.float64]:
    columns = [np.ones(len(samples)), np.array([one == level for one in samples.condition], float)]
    for held in (samples.pair, samples.batch):
        others = sorted(set(held or ()))[1:]
        columns += [np.array([one == value for one in held or ()], float) for value in others]
    return np.column_stack(columns) if len(samples) else np.empty((0, 2))


def _refusal(samples: Samples, reference: str, level: str, matrix: NDArray[np.float64]) -> str:
    count = {one: samples.condition.count(one) for one in (reference, level)}
    few = [one for one, n in count.items() if n < FEWEST_SAMPLES]
    unit = "pair" if samples.pair is not None else "sample"
    if few:
        return say(
            "compare.few_samples",
            condition=few[0],
            has=_counted(count[few[0]], unit),
            samples=FEWEST_SAMPLES,
            all=FEWEST_FREEDOM + 2,
            pairs=f" ({FEWEST_FREEDOM + 1} whole pairs)" if unit == "pair" else "",
        )
    rank = np.linalg.matrix_rank(matrix)
    if np.linalg.matrix_rank(np.delete(matrix, 1, axis=1)) == rank:
        return say("compare.apart_in_batches", level=level, reference=reference)
    freedom = int(len(samples) - rank)
    if freedom < FEWEST_FREEDOM:
        return say(
            "compare.few_freedom",
            samples=_counted(len(samples), "sample"),
            left=f"{_counted(freedom, 'degree')} of freedom",
            needed=FEWEST_FREEDOM,
            more=_counted(FEWEST_FREEDOM - freedom, unit),
        )
    return ""


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def full_rank(design: Design) -> NDArray[np.float64]:
    """Return the matrix without the columns that others tell already, the comparison kept second.

    Batches within pairs, say, leave columns that add nothing.
    """
    kept = [0, 1]
    for column in range(2, design.matrix.shape[1]):
        tried = [*kept, column]
        if np.linalg.matrix_rank(design.matrix[:, tried]) == len(tried):
            kept = tried
    return design.matrix[:, kept]


def without(design: Design, keep: Sequence[bool] | NDArray[np.bool_]) -> Design:
    """Return the same comparison with some of its samples."""
    return design_of(design.samples.rows(keep), design.reference, design.level)
