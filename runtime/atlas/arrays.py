"""The arrays and answers of an atlas: name, type and shape of each, in terms of the manifest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from cellport.runtime.atlas.manifest import Manifest

When = Literal["always", "labels", "structure", "trajectory", "optional"]
Shape = tuple[str | int, ...]
# from so many reference cells on, neighbours are searched through an index
EXACT_BELOW = 20_000


@dataclass(frozen=True, slots=True)
class ArraySpec:
    """An array, or an output of the encoder.

    Attributes
    ----------
    name
        ``arrays/<name>.npy``, or the output.
    dtype
        As numpy names it; little-endian.
    shape
        Extents: those of `extents`, numbers, and others that are the same wherever their name
        comes again.
    meaning
        In words.
    when
        Which atlases have it.
    """

    name: str
    dtype: str
    shape: Shape
    meaning: str
    when: When = "always"


# per cell: their shape is [cells, ...]
ANSWERS = (
    ArraySpec("latent", "f4", ("latent",), "mean of the latent"),
    ArraySpec("novelty_score", "f4", (), "how far from all reference cells; larger is stranger"),
    ArraySpec("umap", "f4", (2,), "place on the 2-D map"),
    ArraySpec("label_prob", "f4", ("labels",), "calibrated probability of each label", "labels"),
    ArraySpec("cluster_prob", "f4", ("clusters",), "probability of each cluster", "structure"),
    ArraySpec("edge_prob", "f4", ("edges",),
              "probability of each edge of the trajectory; what lacks of 1 is off it",
              "trajectory"),
    ArraySpec("edge_fraction", "f4", ("edges",), "fraction of the way along each edge",
              "trajectory"),
    ArraySpec("pseudotime", "f4", (), "way from the root, 1 at the farthest end", "trajectory"),
    ArraySpec("pseudotime_sd", "f4", (), "its standard deviation", "trajectory"),
    ArraySpec("fate_prob", "f4", ("terminals",), "probability of each terminal state",
              "trajectory"),
)  # fmt: skip
ARRAYS = (
    ArraySpec("basis", "f4", ("genes", "features"), "weight of each gene's value in each feature"),
    ArraySpec("gene_mean", "f4", ("genes",), "mean value, taken off each value"),
    ArraySpec("gene_cap", "f4", ("genes",), "largest value let through, before the mean is off"),
    ArraySpec("gene_share", "f4", ("genes",), "mean share of a cell's panel counts; sums to 1"),
    ArraySpec("gene_loading", "f4", ("genes", "factors"), "factor model: loadings of the values"),
    ArraySpec("gene_noise", "f4", ("genes",), "factor model: variance left of a gene, above 0"),
    ArraySpec("label_mean", "f4", ("profiles", "genes"),
              "mean log(1 + counts per 10,000) of each label's cells; of all cells without labels"),
    ArraySpec("novelty_p", "f4", ("levels",), "novelty table: p-values, descending from 1"),
    ArraySpec("novelty_share", "f4", ("shares",), "novelty table: shares of genes measured"),
    ArraySpec("novelty_depth", "f4", ("shares", "bins"), "novelty table: log(1 + panel counts)"),
    ArraySpec("novelty_score", "f4", ("shares", "bins", "levels"),
              "novelty table: score reached by that share of held-out cells"),
    ArraySpec("reference_latent", "f4", ("cells", "latent"), "latent of each reference cell"),
    ArraySpec("reference_umap", "f4", ("cells", 2), "its place on the 2-D map"),
    ArraySpec("reference_label", "i4", ("cells",), "its label, -1 where unknown"),
    ArraySpec("reference_batch", "i4", ("cells",), "its batch"),
    ArraySpec("reference_names", "u1", ("bytes",), "ids, UTF-8, a line each", "optional"),
    ArraySpec("neighbor_centroids", "f4", ("lists", "latent"),
              f"centroids of inverted lists; from {EXACT_BELOW:,} reference cells on", "optional"),
    ArraySpec("canary_counts", "f4", ("canaries", "genes"), "made-up cells to verify with"),
    ArraySpec("trajectory_path", "f4", ("edges", "points", 2), "course of each edge on the map",
              "optional"),
    ArraySpec("trajectory_share", "f4", ("edges", "parts"),
              "share of the reference's cells on the trajectory, by part of each edge", "optional"),
    ArraySpec("trajectory_bound", "f4", ("terminals",),
              "share of these cells that are bound for each terminal state", "optional"),
    ArraySpec("lineage_edges", "u1", ("terminals", "edges"),
              "1 where an edge is on the way to a terminal state", "optional"),
    ArraySpec("lineage_time", "f4", ("terminals", 2), "first and last pseudotime on that way",
              "optional"),
    ArraySpec("lineage_expression", "f4", ("terminals", "steps", "genes"),
              "expected counts per 10,000 in equal steps of that time", "optional"),
)  # fmt: skip


def extents(manifest: Manifest) -> dict[str, int]:
    """Return the extents that a manifest decides, by name."""
    graph = manifest.trajectory
    return {
        "genes": manifest.n_genes,
        "latent": manifest.n_latent,
        "labels": len(manifest.labels),
        "profiles": max(1, len(manifest.labels)),
        "clusters": len(manifest.clusters),
        "edges": len(graph.edges) if graph else 0,
        "terminals": len(graph.terminals) if graph else 0,
    }


def has(manifest: Manifest, when: When) -> bool:
    """Whether an atlas has what is there `when`; what is optional it need not have."""
    return {
        "always": True,
        "labels": bool(manifest.labels),
        "structure": manifest.structure is not None,
        "trajectory": manifest.trajectory is not None,
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
        yield ArraySpec(f"canary_{name}", "f4", ("canaries", *shape), f"their {name}")


def first_misfit(
    manifest: Manifest, found: Mapping[str, tuple[np.dtype[Any], tuple[int, ...]]]
) -> str:
    """Return what is wrong with the arrays of an atlas, in words; nothing where they fit.

    Parameters
    ----------
    manifest
        Of the atlas.
    found
        Type and shape of each array, by name.
    """
    known = extents(manifest)
    for spec in array_specs(manifest):
        if spec.name not in found:
            if has(manifest, spec.when):
                return f"lacks arrays/{spec.name}.npy"
            continue
        dtype, shape = found[spec.name]
        wanted = tuple(
            known.setdefault(one, extent) if isinstance(one, str) else one
            for one, extent in zip(spec.shape, shape, strict=False)
        )
        if dtype != np.dtype(f"<{spec.dtype}") or shape != wanted or len(wanted) != len(spec.shape):
            said = ", ".join(map(str, spec.shape))
            return (
                f"holds arrays/{spec.name}.npy of type {dtype} and shape {list(shape)}, which "
                f"does not fit its manifest and other arrays ({np.dtype(spec.dtype)} [{said}])"
            )
    return ""
