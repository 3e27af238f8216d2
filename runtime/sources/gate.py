"""The raw-count gate: finds the matrix of a file that holds raw counts, and checks each block.

Mapping normalised or scaled values as if they were counts gives wrong answers without any
error, so that nothing but counts gets through.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from cellport.kernels.check import check_values
from cellport.runtime.base.hints import hint
from cellport.runtime.decisions import number, say, texts, words
from cellport.runtime.errors import InputError, MissingDependencyError
from cellport.runtime.sources.compare import compare
from cellport.runtime.sources.content import Content, classify, has_large, nearest_counts
from cellport.runtime.sources.source import Candidate, Text
from cellport.runtime.sources.trouble import cells

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cellport.runtime.sources.block import CountBlock
    from cellport.runtime.sources.source import Candidates, MatrixSample

_LARGEST_COUNT = number("gate.largest_count")
_MANY_MORE = number("gate.many_more_genes")
_IN_WORDS, _FAULTS = words("gate.in_words"), words("gate.faults")
_LIKELY_LAYERS, _PARTIAL_LAYERS = texts("gate.likely_layers"), texts("gate.partial_layers")
# sentences on matrices that are used although they may be something else
_USED = {
    "nearly": "gate.rounded_off",
    "alike": "gate.alike_used",
    "fractional": "gate.fractions_allowed",
    "empty": "gate.only_zeros",
}

# tells how many of the atlas's genes are among those of a matrix
Covered = Callable[[Mapping[str, Text]], int]


@dataclass(frozen=True, slots=True)
class Choice:
    """The place that holds the counts, the key that names it, and what to report about it."""

    key: str
    candidate: Candidate
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Seen:
    key: str
    candidate: Candidate
    content: Content
    sample: MatrixSample


def choose_counts(
    title: str,
    candidates: Candidates,
    layer: str | None,
    allow_fractional: bool,
    covered: Covered | None = None,
) -> Choice:
    """Find the matrix that holds raw counts, or such with fractions where these are allowed.

    A layer that is named is the only one inspected. Otherwise ``X``, the layers ``counts``,
    ``raw_counts`` and ``count``, all other layers except those of splicing, and ``raw`` are
    inspected in this order. What is counts for sure goes before what may be; a layer that is
    called so goes before other counts in ``X``; ``raw`` goes before another matrix when, by
    `covered`, it holds more of the atlas's genes, and before ``X`` when that holds the same
    counts made smaller; else the first is used.
    Where none holds counts, an InputError says what each holds.
    """
    accepted = _accepted(allow_fractional)
    if layer is not None:
        return _named(title, candidates, layer, accepted)
    seen, unread = _look_at(candidates, covered is not None)
    taken = [one for content in accepted for one in seen if one.content == content]
    if not taken:
        places = _listed([*map(_holds, seen), *unread])
        fault = say("gate.no_counts", title=title, places=places)
        contents = [one.content for one in seen]
        raise InputError(fault + _of_joined(contents) + _advice(candidates, contents))
    rivals = [one for one in taken if one.content == taken[0].content]
    best, notes = _by_name(taken[0], rivals)
    if covered is not None and seen[-1].key == "raw" and best is not seen[-1]:
        best, more = _beside_raw(best, seen[-1], covered)
        notes = more or notes
    others = [_holds(one) for one in seen[: seen.index(best)] if one.content != best.content]
    if others or (unread and best.key == "raw"):
        places = _listed([*others, *unread])
        notes.insert(0, say("gate.counts_found", places=places, place=best.candidate.name))
    return Choice(best.key, best.candidate, (*notes, *_doubts(best)))


def _accepted(allow_fractional: bool) -> tuple[Content, ...]:
    """Return what is taken for counts, the surest first."""
    sure: tuple[Content, ...] = ("counts", "nearly", "alike")
    return (*sure, "fractional", "empty") if allow_fractional else (*sure, "empty")


def _look_at(candidates: Candidates, compare: bool) -> tuple[list[_Seen], list[str]]:
    """Return what the candidates hold, until counts are found, and why some cannot be read.

    Layers that are called so are looked at after ``X`` too, and ``raw``, which alone is of other
    genes, after all others, to `compare` them.
    """
    seen: list[_Seen] = []
    unread: list[str] = []
    for key in _order(candidates):
        found = [one.key for one in seen if one.content == "counts"]
        wanted = compare if key == "raw" else _is_likely(key) and found == ["X"]
        if found and not wanted:
            continue
        try:
            seen.append(_inspected(candidates, key))
        except (InputError, MissingDependencyError) as error:
            if key == "X" or len(candidates) == 1:
                raise
            said = say("gate.unread", reason=error)
            unread.append(f"{key} {said}")
    return seen, unread


def _inspected(candidates: Candidates, key: str) -> _Seen:
    candidate = candidates[key]()
    sample = candidate.matrix.sample()
    return _Seen(key, candidate, classify(sample, candidate.matrix.n_genes), sample)


def _beside_raw(first: _Seen, raw: _Seen, covered: Covered) -> tuple[_Seen, list[str]]:
    """Choose between counts and ``raw``, which may have more genes, or the counts as they were."""
    with suppress(InputError):
        names, raw_names = first.candidate.genes(), raw.candidate.genes()
        fewer, genes = covered(names), covered(raw_names)
        places = {"places": first.candidate.name, "place": raw.candidate.name}
        if raw.content != first.content and raw.content not in ("counts", "nearly"):
            many = genes > _MANY_MORE * fewer and raw.content != "alike"
            holds = {"fewer": fewer, "genes": genes, "content": _IN_WORDS[raw.content]}
            return first, [say("gate.raw_has_more", **places, **holds)] if many else []
        if genes > fewer:
            return raw, [say("gate.more_genes", **places, fewer=fewer, genes=genes)]
        compared = compare(first.sample, names["index"], raw.sample, raw_names["index"])
        if first.key == "X" and compared == "smaller" and genes == fewer:
            return raw, [say("gate.original_counts", **places, key=first.key)]
        if first.key == "X" and compared != "same":
            return first, [say("gate.differing_counts", **places, key=raw.key)]
    return first, []


def _order(candidates: Candidates) -> list[str]:
    layers = [key for key in candidates if key not in ("X", "raw")]
    likely = [key for name in _LIKELY_LAYERS for key in layers if key.lower() == name]
    others = [key for key in layers if key.lower() not in (*_LIKELY_LAYERS, *_PARTIAL_LAYERS)]
    return [key for key in ("X", *likely, *others, "raw") if key in candidates]


def _is_likely(key: str) -> bool:
    return key.lower() in _LIKELY_LAYERS


def _by_name(x: _Seen, rivals: Sequence[_Seen]) -> tuple[_Seen, list[str]]:
    """Prefer a layer that is called counts to other counts in ``X``: what became of them."""
    for one in rivals if x.key == "X" else ():
        if _is_likely(one.key) and not _alike(x.sample, one.sample):
            places = {"places": x.candidate.name, "place": one.candidate.name}
            return one, [say("gate.named_counts", **places)]
    return x, []


def _alike(one: MatrixSample, other: MatrixSample) -> bool:
    a, b = (np.sort(sample.values[sample.values != 0]) for sample in (one, other))
    return np.array_equal(a, b)


def _named(title: str, candidates: Candidates, layer: str, accepted: Sequence[Content]) -> Choice:
    if layer not in candidates:
        there = hint(layer, candidates)
        raise InputError(say("gate.no_layer", title=title, layer=layer, there=there))
    one = _inspected(candidates, layer)
    if one.content in accepted:
        return Choice(layer, one.candidate, tuple(_doubts(one)))
    place, said = one.candidate.name, _IN_WORDS[one.content]
    fault = say("gate.no_counts_in_layer", title=title, place=place, content=said)
    for key in _order(candidates):
        with suppress(InputError, MissingDependencyError):
            other = _inspected(candidates, key)
            if other.content == "counts":
                fault += say("gate.counts_elsewhere", place=other.candidate.name)
                break
    else:
        fault += _of_joined([one.content])
    raise InputError(fault + _advice({}, [one.content]))


def _of_joined(contents: Sequence[Content]) -> str:
    """Say what to do about missing values."""
    return say("gate.joined") if "nan" in contents else ""


def _advice(candidates: Candidates, contents: Sequence[Content]) -> str:
    """Say what helps where no matrix holds counts."""
    said = say("gate.allow_fractions") if "fractional" in contents else ""
    parts = [f"'{key}'" for key in candidates if key.lower() in _PARTIAL_LAYERS]
    return said + (say("gate.by_name_only", layers=", ".join(parts)) if parts else "")


def _holds(one: _Seen) -> str:
    said = say("gate.holds", content=_IN_WORDS[one.content])
    return f"{one.candidate.name} {said}"


def _listed(places: Iterable[str]) -> str:
    return "; ".join(places)


def _doubts(one: _Seen) -> list[str]:
    """Say what a reader should know of a matrix that is used."""
    sentence = _USED.get(one.content)
    content = _IN_WORDS[one.content]
    return [say(sentence, place=one.candidate.name, content=content)] if sentence else []


def check_block(block: CountBlock, description: str, allow_fractional: bool = False) -> CountBlock:
    """Refuse a block with values that are no counts, or no whole ones where not allowed.

    Counts but for rounding are returned as what they were.
    """
    faults = check_values(block.data)
    large = np.count_nonzero(block.data > _LARGEST_COUNT) if has_large(block.data) else 0
    counted = {**faults._asdict(), "large": large}
    if allow_fractional:
        counted["fractional"] = 0
    found = " and ".join(f"{count} {_FAULTS[name]}" for name, count in counted.items() if count)
    if not found:
        return block
    only_fractions = not (faults.nan or faults.infinite or faults.negative or large)
    near = nearest_counts(block.data) if only_fractions else None
    if near is not None:
        return replace(block, data=near)
    place = cells(description, block.start, block.start + block.n_cells)
    fault = say("gate.no_counts_in_cells", cells=place, stored=len(block.data), faults=found)
    raise InputError(fault + (say("gate.allow_fractions") if only_fractions else ""))
