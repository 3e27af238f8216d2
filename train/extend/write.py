"""An extended atlas as a manifest and members: what is new, beside all that stays."""

from __future__ import annotations

import datetime
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.file import AtlasFile, npy_bytes
from cellport.runtime.atlas.manifest import HeldOut, LabelScore, Manifest
from cellport.runtime.atlas.session import open_session
from cellport.runtime.atlas.trajectory import LIBRARY
from cellport.runtime.mapping.annotate.neighbors import reference_names
from cellport.runtime.mapping.encode import run_graph
from cellport.runtime.version import __version__
from cellport.train.export.card import write_card
from cellport.train.extend.basis import first_new, widened
from cellport.train.extend.cells import GivenCells
from cellport.train.extend.fit import Extension
from cellport.train.extend.graphs import extended_decoder, extended_encoder, extended_tail
from cellport.train.features.log_normalise import label_means


@dataclass(frozen=True, slots=True)
class AddedType:
    """A type that an atlas was extended by."""

    label: str
    cells: int
    recall: float  # share of its cells, each left out, that were given it
    # how well it is told from the label that is most like it: area under the ROC curve
    auroc: float
    most_like: str


def added_types(given: GivenCells, found: Extension, before: Manifest) -> tuple[AddedType, ...]:
    """Name what was judged."""
    labels = (*before.labels, *given.new_labels)
    return tuple(
        AddedType(name, one.cells, one.recall, one.auroc, labels[one.rival])
        for name, one in zip(given.new_labels, found.judged, strict=True)
    )


def updated_labels(given: GivenCells, before: Manifest) -> dict[str, int]:
    """Count new cells of labels that the atlas had, by label."""
    number = np.bincount(given.cells.code, minlength=len(before.labels))
    return {name: int(n) for name, n in zip(before.labels, number, strict=False) if n}


def extended_manifest(atlas: AtlasFile, given: GivenCells, found: Extension, name: str) -> Manifest:
    """Say what the atlas knows now, which one it was made of, and how well new types are told."""
    before, types = atlas.manifest, added_types(given, found, atlas.manifest)
    head, made = before.head, before.provenance
    # of new types the mass of probabilities alone decides, as in atlases trained today
    least = (*head.set_prob, *(1.0 for _ in types)) if head.set_prob else ()
    step = {
        "atlas": before.name,
        "sha256": atlas.sha256,
        "source": given.description,
        "cells": len(given.names),
        "types": [asdict(one) for one in types],
        "updated": updated_labels(given, before),
        "lost": round(found.lost, 5),
        "cellport": __version__,
    }
    steps = [*made.training.get("extended", []), step]
    return replace(
        before,
        name=name,
        labels=(*before.labels, *given.new_labels),
        head=replace(head, set_prob=least),
        batches=(*before.batches, *given.new_batches),
        held_out=_held_out(before.held_out, types),
        provenance=replace(
            made,
            created=datetime.datetime.now(datetime.UTC).date().isoformat(),
            made_by=f"cellport {__version__}",
            cells=made.cells + len(given.names),
            source="; ".join(filter(None, [made.source, given.description])),
            training={**made.training, "extended": steps},
        ),
    )


def _held_out(before: HeldOut | None, types: tuple[AddedType, ...]) -> HeldOut | None:
    if before is None:
        return None
    new = {one.label: LabelScore(one.cells, one.recall) for one in types}
    return replace(before, by_label={**before.by_label, **new})


def extended_members(
    atlas: AtlasFile, given: GivenCells, found: Extension, manifest: Manifest
) -> dict[str, bytes]:
    """Return all members of the extended atlas, by name."""
    members = {name: bytes(atlas.read(name)) for name in atlas.members}
    before = atlas.array("basis")
    first = first_new(atlas)
    basis = widened(before, found.discriminants, first)
    gate, near = found.gate, found.near
    encoder = extended_encoder(members["encoder.onnx"], gate, near, before, basis, first)
    tail = extended_tail(members["encoder_tail.onnx"], gate, near, before.shape[1], first)
    members |= {"encoder.onnx": encoder, "encoder_tail.onnx": tail}
    if given.new_batches:
        mixture = _mixture(len(atlas.manifest.batches), len(given.new_batches))
        members["decoder.onnx"] = extended_decoder(members["decoder.onnx"], mixture)
    session = open_session(encoder, "encoder.onnx", device="cpu")
    canaries = run_graph(session, {"counts": np.ascontiguousarray(atlas.array("canary_counts"))})
    arrays: dict[str, NDArray[Any]] = {
        "basis": basis,
        "label_mean": _label_means(atlas, given),
        **_reference(atlas, given, found),
        **{f"canary_{name}": values for name, values in canaries.items()},
    }
    members |= {f"arrays/{name}.npy": npy_bytes(values) for name, values in arrays.items()}
    return members | {"README.md": write_card(manifest).encode()}


def _mixture(n_old: int, n_new: int) -> NDArray[np.float32]:
    """Take a batch that the decoder has not seen for the mean of all that it has."""
    return np.concatenate([np.eye(n_old), np.full((n_new, n_old), 1 / n_old)]).astype(np.float32)


def _label_means(atlas: AtlasFile, given: GivenCells) -> NDArray[np.float32]:
    """Mean profile of each label over old and new cells; a gene not measured says nothing new."""
    n_old = len(atlas.manifest.labels)
    n_labels, code, has = n_old + len(given.new_labels), given.cells.code, given.cells.measured
    new = label_means(given.cells.counts, code, n_labels, LIBRARY)
    # counts over the measured genes are that share of all
    shift = float(atlas.array("gene_share")[has].sum(dtype=np.float64))
    new = np.log1p(np.expm1(new) * shift)
    old = np.zeros_like(new)
    old[:n_old] = atlas.array("label_mean")
    old[n_old:] = old[:n_old].mean(axis=0)
    label = atlas.array("reference_label")
    cells = np.bincount(label[label >= 0], minlength=n_labels)
    more = np.bincount(code, minlength=n_labels)
    share = (more / np.maximum(cells + more, 1))[:, np.newaxis] * has
    share[n_old:] = has
    mean: NDArray[np.float32] = ((1 - share) * old + share * new).astype(np.float32)
    return mean


def _reference(atlas: AtlasFile, given: GivenCells, found: Extension) -> dict[str, NDArray[Any]]:
    """Put the new cells behind the old ones: neighbours, the map, distances of types."""
    names = [*reference_names(atlas), *(str(one).replace("\n", " ") for one in given.names)]
    answers = found.seen.answers
    more: dict[str, NDArray[Any]] = {
        "latent": answers["latent"],
        "umap": answers["umap"],
        "label": given.cells.code.astype(np.int32),
        "batch": given.batch.astype(np.int32),
    }
    arrays = {
        f"reference_{name}": np.concatenate([atlas.array(f"reference_{name}"), values])
        for name, values in more.items()
    }
    return arrays | {"reference_names": np.frombuffer("\n".join(names).encode(), np.uint8)}
