"""The raw-count gate: finds the matrix of a file that holds raw counts, and checks each block.

Mapping normalised or scaled values as if they were counts gives wrong answers without any
error, so that nothing but counts gets through.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from cellport.kernels.check import check_values
from cellport.runtime.base.hints import hint
from cellport.runtime.errors import InputError, MissingDependencyError
from cellport.runtime.sources.trouble import cells

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from cellport.runtime.sources.block import CountBlock
    from cellport.runtime.sources.source import Candidate, Candidates, MatrixSample

Content = Literal[
    "counts",
    "empty",
    "fractional",
    "normalised",
    "log-normalised",
    "scaled",
    "nan",
    "infinite",
]

IN_WORDS: dict[Content, str] = {
    "counts": "raw counts",
    "empty": "only zeros where looked",
    "fractional": "values that are not whole numbers",
    "normalised": "normalised values",
    "log-normalised": "log-normalised values",
    "scaled": "scaled values (some are negative)",
    "nan": "missing values (NaN)",
    "infinite": "infinite values",
}

# Layers looked at before all others, and those that hold a part of the counts only.
LIKELY_LAYERS = ("counts", "raw_counts", "count")
PARTIAL_LAYERS = ("spliced", "unspliced", "ambiguous")
# log1p of ten thousand counts per cell is 9.2, of a million 13.8.
LARGEST_LOGARITHM = 20.0
# Relative spread of sums over cells that were all scaled to one total.
SAME_TOTAL = 0.02


@dataclass(frozen=True, slots=True)
class Choice:
    """The place that holds the counts, the key that names it, and what to report about it."""

    key: str
    candidate: Candidate
    notes: tuple[str, ...]


def classify(sample: MatrixSample) -> Content:
    """Say what the values of a matrix are.

    Parameters
    ----------
    sample
        A few values, best of whole cells.

    Returns
    -------
    Content
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
    small = bool(values.max() < LARGEST_LOGARITHM)
    whole = np.count_nonzero(values == np.floor(values)) / len(values)
    if whole > 0.5:
        return "fractional"
    if sample.cells is not None:
        owners = np.unique(sample.cells[stored], return_inverse=True)[1]
        if small and _rescaled(np.expm1(values.astype(np.float64)), owners):
            return "log-normalised"
        if _rescaled(values.astype(np.float64), owners):
            return "normalised"
    return "log-normalised" if small and whole < 0.2 else "fractional"


def _rescaled(values: NDArray[np.float64], owners: NDArray[np.intp]) -> bool:
    """Tell whether every cell's values are counts times a factor of that cell."""
    totals = np.bincount(owners, weights=values)
    if len(totals) >= 3 and totals.std() < SAME_TOTAL * totals.mean():
        return True
    smallest = np.full(len(totals), np.inf)
    np.minimum.at(smallest, owners, values)
    multiples = values / smallest[owners]
    larger = multiples > 1.5
    near = np.abs(multiples - np.round(multiples)) < 1e-3
    return bool(larger.any() and near[larger].mean() > 0.95)


def choose_counts(
    title: str,
    candidates: Candidates,
    layer: str | None = None,
    allow_fractional: bool = False,
) -> Choice:
    """Find the matrix that holds raw counts.

    A layer that is named is the only one inspected. Otherwise ``X``, the layers ``counts``,
    ``raw_counts`` and ``count``, all other layers except those of splicing, and ``raw`` are
    inspected in this order until one holds counts.

    Parameters
    ----------
    title
        The file in words.
    candidates
        Openers of the matrices by key: ``X``, a layer's name, ``raw``.
    layer
        Key of the matrix to use.
    allow_fractional
        Accept ``fractional`` values as counts.

    Raises
    ------
    InputError
        When the named layer is not there, or what is looked at holds no counts; the message
        says what each candidate holds.
    """
    accepted = ("counts", "fractional") if allow_fractional else ("counts",)
    if layer is not None:
        return _named(title, candidates, layer, (*accepted, "empty"))
    seen: dict[str, str] = {}
    empty: tuple[str, Candidate] | None = None
    for key in _order(candidates):
        try:
            candidate = candidates[key]()
            content = classify(candidate.matrix.sample())
        except (InputError, MissingDependencyError) as error:
            if key == "X" or len(candidates) == 1:
                raise
            seen[key] = f"cannot be read ({error})"
            continue
        if content in accepted:
            return Choice(key, candidate, _notes(seen, candidate, content))
        if content == "empty" and empty is None:
            empty = key, candidate
        seen[candidate.name] = f"holds {IN_WORDS[content]}"
    if empty is not None:
        key, candidate = empty
        seen.pop(candidate.name)
        return Choice(key, candidate, _notes(seen, candidate, "empty"))
    raise InputError(
        f"{title} holds no raw counts: {_listed(seen)}. "
        "Raw counts are needed; use the file from before normalisation."
    )


def _order(candidates: Candidates) -> list[str]:
    lower = {key.lower(): key for key in candidates if key not in ("X", "raw")}
    likely = [lower[name] for name in LIKELY_LAYERS if name in lower]
    others = [key for name, key in lower.items() if name not in PARTIAL_LAYERS]
    order = ["X", *likely, *(key for key in others if key not in likely), "raw"]
    return [key for key in order if key in candidates]


def _named(
    title: str,
    candidates: Candidates,
    layer: str,
    accepted: tuple[str, ...],
) -> Choice:
    if layer not in candidates:
        raise InputError(f"{title} has no layer '{layer}'. {hint(layer, candidates)}")
    candidate = candidates[layer]()
    content = classify(candidate.matrix.sample())
    if content in accepted:
        return Choice(layer, candidate, _notes({}, candidate, content))
    found = ""
    for key in _order(candidates):
        try:
            other = candidates[key]()
            if key != layer and classify(other.matrix.sample()) == "counts":
                found = f" Raw counts are in {other.name}."
                break
        except (InputError, MissingDependencyError):
            continue
    raise InputError(
        f"{title}: {candidate.name} holds {IN_WORDS[content]} instead of raw counts.{found}"
    )


def _listed(seen: Mapping[str, str]) -> str:
    return "; ".join(f"{name} {what}" for name, what in seen.items())


def _notes(seen: Mapping[str, str], candidate: Candidate, content: Content) -> tuple[str, ...]:
    notes = []
    if seen:
        notes.append(f"{_listed(seen)}; raw counts were found in {candidate.name} and used.")
    if content == "fractional":
        notes.append(f"{candidate.name} holds {IN_WORDS[content]}; they were allowed as counts.")
    return tuple(notes)


def check_block(block: CountBlock, description: str, allow_fractional: bool = False) -> None:
    """Check that all values of a block are counts.

    Parameters
    ----------
    block
        The block.
    description
        File and field in words.
    allow_fractional
        Accept numbers that are not whole.

    Raises
    ------
    InputError
        When a value is NaN, infinite, negative or not whole; the message names the cells.
    """
    faults = check_values(block.data)
    found = [
        f"{count} {what}"
        for count, what in (
            (faults.nan, "missing (NaN)"),
            (faults.infinite, "infinite"),
            (faults.negative, "negative"),
            (0 if allow_fractional else faults.fractional, "not whole"),
        )
        if count
    ]
    if found:
        place = cells(description, block.start, block.start + block.n_cells)
        raise InputError(
            f"{place}: {len(block.data)} values are stored, {' and '.join(found)}; "
            "raw counts are needed in every cell."
        )
