"""The arrays and answers of an atlas: name, type and shape of each, in terms of the manifest."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.manifest import Manifest
from cellport.runtime.decisions import rows, say

When = Literal[
    "always",
    "prob",
    "sigmoids",
    "prototypes",
    "reference",
    "structure",
    "trajectory",
    "centre",
    "cap",
    "factors",
    "query_library",
    "optional",
]
Shape = tuple[str | int, ...]
# from so many reference cells on, neighbours are searched through an index
EXACT_BELOW = 20_000


@dataclass(frozen=True, slots=True)
class ArraySpec:
    """An array, or an output of the encoder."""

    name: str  # ``arrays/<name>.npy``, or the output
    dtype: str  # as numpy names it; little-endian
    # extents: those of `extents`, numbers, and others that are the same wherever their name comes
    # again
    shape: Shape
    meaning: str
    when: When  # which atlases have it
    above: float = -math.inf  # its numbers are above this
    # its codes: from `least` on, and fewer than this extent says
    least: int = 0
    below: str = ""


def _specs(name: str) -> tuple[ArraySpec, ...]:
    return tuple(ArraySpec(**{**row, "shape": tuple(row["shape"])}) for row in rows(name))


# answers are per cell: their shape is [cells, ...]
ANSWERS, ARRAYS = _specs("format.answers"), _specs("format.arrays")


def extents(manifest: Manifest) -> dict[str, int]:
    """Return the extents that a manifest decides, by name."""
    graph = manifest.trajectory
    return {
        "genes": manifest.n_genes,
        "latent": manifest.n_latent,
        "labels": len(manifest.labels),
        "batches": len(manifest.batches),
        "profiles": max(1, len(manifest.labels)),
        "clusters": len(manifest.clusters),
        "edges": len(graph.edges) if graph else 0,
        "terminals": len(graph.terminals) if graph else 0,
    }


def has(manifest: Manifest, when: When) -> bool:
    """Whether an atlas has what is there `when`; what is optional it need not have."""
    return {
        "always": True,
        "prob": manifest.gives_prob,
        "sigmoids": manifest.head.kind == "sigmoids",
        "prototypes": manifest.head.kind == "prototypes",
        "reference": manifest.has_reference,
        "structure": manifest.structure is not None,
        "trajectory": manifest.trajectory is not None,
        "centre": manifest.input.centre,
        "cap": manifest.input.cap,
        "factors": manifest.fill == "factors",
        "query_library": manifest.input.library == "query",
        "optional": False,
    }[when]


def answers_of(manifest: Manifest) -> dict[str, tuple[int, ...]]:
    """Shape of each answer for one cell, by name, in order."""
    known = extents(manifest)
    return {
        spec.name: tuple(known[one] if isinstance(one, str) else one for one in spec.shape)
        for spec in ANSWERS
        if has(manifest, spec.when)
    }


def array_specs(manifest: Manifest) -> Iterator[ArraySpec]:
    """Yield every array that an atlas must have, and those that it may have."""
    yield from ARRAYS
    for name, shape in answers_of(manifest).items():
        yield ArraySpec(f"canary_{name}", "f4", ("canaries", *shape), f"their {name}", "always")


def first_misfit(
    manifest: Manifest, found: Mapping[str, tuple[np.dtype[Any], tuple[int, ...]]]
) -> str:
    """Return what is wrong with the arrays of an atlas, in words; nothing where they fit.

    Parameters
    ----------
    found
        Type and shape of each array, by name.
    """
    known = extents(manifest)
    for spec in array_specs(manifest):
        if spec.name not in found:
            if has(manifest, spec.when):
                return say("format.lacks", members=f"arrays/{spec.name}.npy")
            continue
        dtype, shape = found[spec.name]
        wanted = tuple(
            known.setdefault(one, extent) if isinstance(one, str) else one
            for one, extent in zip(spec.shape, shape, strict=False)
        )
        if dtype != np.dtype(f"<{spec.dtype}") or shape != wanted or len(wanted) != len(spec.shape):
            said = f"{np.dtype(spec.dtype)} [{', '.join(map(str, spec.shape))}]"
            shaped = {"dtype": dtype, "shape": list(shape), "wanted": said}
            return say("format.misfit", array=spec.name, **shaped)
    return ""


def bad_values(manifest: Manifest, name: str, array: NDArray[Any]) -> str:
    """Say what an array should hold; nothing where it does, or where the table lacks it."""
    spec = next((one for one in array_specs(manifest) if one.name == name), None)
    if spec is None:
        return ""
    if spec.below:
        n = extents(manifest)[spec.below]
        fits = (array >= spec.least) & (array < n)
        wanted = say("format.codes", least=spec.least, last=n - 1)
    else:
        fits = np.isfinite(array) & (array > spec.above)
        wanted = say("format.above", above=spec.above)
        if math.isinf(spec.above):
            wanted = say("format.numbers")
    return "" if array.size and fits.all() else wanted
