"""The raw-count gate: finds the matrix of a file that holds raw counts, and checks each block.

Mapping normalised or scaled values as if they were counts gives wrong answers without any
error, so that nothing but counts gets through.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from cellport.kernels.check import check_values
from cellport.runtime.base.hints import hint
from cellport.runtime.decisions import number, say, texts, words
from cellport.runtime.errors import InputError, MissingDependencyError
from cellport.runtime.sources.trouble import cells

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from cellport.runtime.sources.block import CountBlock
    from cellport.runtime.sources.source import Candidate, Candidates, MatrixSample

Content = Literal[
    "counts", "empty", "fractional", "normalised", "log-normalised", "scaled", "nan", "infinite"
]

_IN_WORDS, _FAULTS = words("gate.in_words"), words("gate.faults")
_LIKELY_LAYERS, _PARTIAL_LAYERS = texts("gate.likely_layers"), texts("gate.partial_layers")
_LARGEST_LOGARITHM = number("gate.largest_logarithm")
_MOSTLY_WHOLE, _HARDLY_WHOLE = number("gate.mostly_whole"), number("gate.hardly_whole")
_FEWEST_TOTALS, _SAME_TOTAL = number("gate.fewest_totals"), number("gate.same_total")
_LARGER, _NEAR = number("gate.larger_multiple"), number("gate.near_multiple")
_MULTIPLES = number("gate.multiples")


@dataclass(frozen=True, slots=True)
class Choice:
    """The place that holds the counts, the key that names it, and what to report about it."""

    key: str
    candidate: Candidate
    notes: tuple[str, ...]


def classify(sample: MatrixSample) -> Content:
    """Say what the values of a matrix are, from a few of them, best of whole cells.

    ``counts`` for whole numbers of any type. ``normalised`` and ``log-normalised`` when the
    cells have one total, when every cell's values are multiples of its smallest, or when
    values are small and hardly ever whole; ``fractional`` for what is left, such as
    expected counts of RSEM or counts corrected for ambient RNA.
    """
    values = sample.values
    faults = check_values(values)
    if faults.nan:
        return "nan"
    if faults.infinite:
        return "infinite"
    if faults.negative:
        return "scaled"
    stored = values != 0
    if not stored.any():
        return "empty"
    if not faults.fractional:
        return "counts"
    values = values[stored]
    small = bool(values.max() < _LARGEST_LOGARITHM)
    whole = np.count_nonzero(values == np.floor(values)) / len(values)
    if whole > _MOSTLY_WHOLE:
        return "fractional"
    if sample.cells is not None:
        owners = np.unique(sample.cells[stored], return_inverse=True)[1]
        if small and _rescaled(np.expm1(values.astype(np.float64)), owners):
            return "log-normalised"
        if _rescaled(values.astype(np.float64), owners):
            return "normalised"
    return "log-normalised" if small and whole < _HARDLY_WHOLE else "fractional"


def _rescaled(values: NDArray[np.float64], owners: NDArray[np.intp]) -> bool:
    """Tell whether every cell's values are counts times a factor of that cell."""
    totals = np.bincount(owners, weights=values)
    if len(totals) >= _FEWEST_TOTALS and totals.std() < _SAME_TOTAL * totals.mean():
        return True
    smallest = np.full(len(totals), np.inf)
    np.minimum.at(smallest, owners, values)
    multiples = values / smallest[owners]
    larger = multiples > _LARGER
    near = np.abs(multiples - np.round(multiples)) < _NEAR
    return bool(larger.any() and near[larger].mean() > _MULTIPLES)


def choose_counts(
    title: str, candidates: Candidates, layer: str | None, allow_fractional: bool
) -> Choice:
    """Find the matrix that holds raw counts, or such with fractions where these are allowed.

    A layer that is named is the only one inspected. Otherwise ``X``, the layers ``counts``,
    ``raw_counts`` and ``count``, all other layers except those of splicing, and ``raw`` are
    inspected in this order until one holds counts. Where none does, an InputError says what each
    holds.
    """
    accepted = ("counts", "fractional") if allow_fractional else ("counts",)
    if layer is not None:
        return _named(title, candidates, layer, (*accepted, "empty"))
    seen: dict[str, str] = {}
    empty: tuple[str, Candidate] | None = None
    for key in _order(candidates):
        try:
            candidate, content = _inspected(candidates, key)
        except (InputError, MissingDependencyError) as error:
            if key == "X" or len(candidates) == 1:
                raise
            seen[key] = say("gate.unread", reason=error)
            continue
        if content in accepted:
            return Choice(key, candidate, _notes(seen, candidate, content))
        if content == "empty" and empty is None:
            empty = key, candidate
        seen[candidate.name] = say("gate.holds", content=_IN_WORDS[content])
    if empty is not None:
        key, candidate = empty
        seen.pop(candidate.name)
        return Choice(key, candidate, _notes(seen, candidate, "empty"))
    fault = say("gate.no_counts", title=title, places=_listed(seen))
    raise InputError(fault + _of_joined(fault))


def _inspected(candidates: Candidates, key: str) -> tuple[Candidate, Content]:
    candidate = candidates[key]()
    return candidate, classify(candidate.matrix.sample())


def _order(candidates: Candidates) -> list[str]:
    lower = {key.lower(): key for key in candidates if key not in ("X", "raw")}
    likely = [lower[name] for name in _LIKELY_LAYERS if name in lower]
    others = [key for name, key in lower.items() if name not in _PARTIAL_LAYERS]
    order = ["X", *likely, *(key for key in others if key not in likely), "raw"]
    return [key for key in order if key in candidates]


def _named(title: str, candidates: Candidates, layer: str, accepted: tuple[str, ...]) -> Choice:
    if layer not in candidates:
        there = hint(layer, candidates)
        raise InputError(say("gate.no_layer", title=title, layer=layer, there=there))
    candidate, content = _inspected(candidates, layer)
    if content in accepted:
        return Choice(layer, candidate, _notes({}, candidate, content))
    place, said = candidate.name, _IN_WORDS[content]
    fault = say("gate.no_counts_in_layer", title=title, place=place, content=said)
    for key in _order(candidates):
        with suppress(InputError, MissingDependencyError):
            other, content = _inspected(candidates, key)
            if content == "counts":
                advice = say("gate.counts_elsewhere", place=other.name)
                break
    else:
        advice = _of_joined(fault)
    raise InputError(fault + advice)


def _of_joined(fault: str) -> str:
    """Return what to do about missing values where a fault speaks of them."""
    return say("gate.joined") if _IN_WORDS["nan"] in fault else ""


def _listed(seen: Mapping[str, str]) -> str:
    return "; ".join(f"{name} {what}" for name, what in seen.items())


def _notes(seen: Mapping[str, str], candidate: Candidate, content: Content) -> tuple[str, ...]:
    notes = []
    if seen:
        notes.append(say("gate.counts_found", places=_listed(seen), place=candidate.name))
    if content == "fractional":
        said = _IN_WORDS[content]
        notes.append(say("gate.fractions_allowed", place=candidate.name, content=said))
    return tuple(notes)


def check_block(block: CountBlock, description: str, allow_fractional: bool = False) -> None:
    """Refuse a block with values that are no counts, or no whole ones where not allowed."""
    faults = check_values(block.data)
    counted = {name: getattr(faults, name) for name in _FAULTS}
    if allow_fractional:
        counted["fractional"] = 0
    found = " and ".join(f"{count} {_FAULTS[name]}" for name, count in counted.items() if count)
    if found:
        place = cells(description, block.start, block.start + block.n_cells)
        stored = len(block.data)
        raise InputError(say("gate.no_counts_in_cells", cells=place, stored=stored, faults=found))
