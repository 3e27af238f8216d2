"""A converted model and what reference cells told, as the manifest and members of an atlas."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray

from cellport.runtime.atlas.manifest import Calibration, Head, Manifest, Structure
from cellport.runtime.atlas.session import TOLERANCE, largest_difference, open_session
from cellport.runtime.atlas.trajectory import LIBRARY
from cellport.runtime.convert.card import write_card
from cellport.runtime.convert.graphs import decoder_graph
from cellport.runtime.convert.models.scvi import ScviModel
from cellport.runtime.convert.write import Conversion, canary_cells
from cellport.runtime.errors import TrainingError
from cellport.train.attach.encoder import (
    AttachedEncoder,
    AttachedTail,
    Tail,
    attached_answers,
    basis_of,
)
from cellport.train.attach.fit import Attached
from cellport.train.cells import PanelCounts
from cellport.train.export.card import findings
from cellport.train.export.graphs import export_graph
from cellport.train.export.members import array_members, reference_members
from cellport.train.features.log_normalise import label_means
from cellport.train.labels.rules import required_by
from cellport.train.labels.tree import stated_terms
from cellport.train.reference.reference import Reference
from cellport.train.umap import place


def attached_manifest(
    made: Conversion,
    reference: Reference,
    found: Attached,
    compared: dict[str, Any] | None = None,
    label_ids: str | None = None,
) -> Manifest:
    """Describe the atlas: what `made` says of the model, what was found, and what was compared."""
    rules, before = found.rules, made.manifest
    calibrated = bool(rules.set_prob)
    head = before.head
    if calibrated:
        by_batch = rules.held_out is not None and rules.held_out.by == "batch"
        state = Calibration(
            "left_out_batches" if by_batch else "held_out_cells", rules.calibration.softness
        )
        head = Head("softmax", state, rules.set_prob, rules.set_mass)
    told: dict[str, Any] = {
        **before.provenance.training,
        "note": "converted, not retrained; the rest was fitted to reference cells",
        "reference": reference.description,
        "reference_cells": len(reference.label),
        "novelty_easing": round(found.novelty.p_exponent, 4),
        "layout": found.layout_scores,
    }
    if calibrated and rules.held_out is not None and found.ece is not None:
        told["temperature"] = round(found.temperature, 6)
        told["ece_of_the_model"] = round(found.ece, 4)
    if compared is not None:
        told["own_atlas"] = compared
    return replace(
        before,
        answers=attached_answers(made.network, calibrated),
        parents=rules.parents,
        label_terms=stated_terms(reference, label_ids),
        head=head,
        batches=_batches(made, reference),
        thresholds=replace(before.thresholds, set_level=rules.set_level, call_prob=rules.call_prob),
        structure=Structure(
            tuple(map(str, range(found.n_clusters))),
            None,
            "a converted model is given none; train an atlas on the reference to have one",
        ),
        held_out=rules.held_out,
        requires=before.requires | required_by(head),
        provenance=replace(before.provenance, training=told),
    )


def attached_members(
    made: Conversion, reference: Reference, found: Attached, manifest: Manifest
) -> dict[str, bytes]:
    """Graphs and arrays of the atlas, by member name.

    Raises
    ------
    TrainingError
        The latent is not that of the model as it was converted.
    """
    members = {
        name: data
        for name, data in made.members.items()
        if not name.startswith(("encoder", "arrays/canary_"))
    }
    members |= _graphs(made, found, manifest)
    if "decoder.onnx" in members:
        members["decoder.onnx"] = _decoder(made, manifest.batches)
    position = {name: code for code, name in enumerate(manifest.batches)}
    code_of = np.array([position[name] for name in reference.batches], np.int64)
    in_order = replace(reference, batch=code_of[reference.batch])
    placed = place(found.layout, found.latent)
    members |= reference_members(in_order, found.latent, placed, found.seed)
    members |= array_members({"label_mean": _profiles(made, found), **found.novelty.arrays})
    members |= array_members({"basis": basis_of(made.network, found.components)})
    card = [write_card(manifest)]
    if manifest.held_out is not None:
        card += findings(manifest)
    members["README.md"] = "\n".join([*card, ""]).encode()
    return members


def _graphs(made: Conversion, found: Attached, manifest: Manifest) -> dict[str, bytes]:
    """Both encoder graphs, and canaries with their answers."""
    network = made.network
    softness = found.rules.calibration.softness if found.rules.set_prob else None
    answer = AttachedTail(
        Tail(network, found.temperature), softness, found.novelty.score, found.layout,
        found.structure,
    ).eval()  # fmt: skip
    encoder = AttachedEncoder(network, found.components, answer).eval()
    counts, library = canary_cells(network)
    inputs = {"counts": torch.from_numpy(counts)}
    if network.input.library == "query":
        inputs["library"] = torch.from_numpy(library).unsqueeze(1)
    gaps = inputs["counts"].clone()
    gaps[::2, torch.from_numpy(network.panel.representative % 3 == 0)] = torch.nan
    with torch.inference_mode():
        values = encoder.values(gaps, inputs.get("library"))
        features = values @ encoder.weight
    names = manifest.answers
    graph = export_graph(encoder, {**inputs, "counts": gaps}, names, "encoder.onnx")
    tail = export_graph(answer, {"features": features}, names, "encoder_tail.onnx")
    session = open_session(graph, "encoder.onnx", device="cpu")
    given = {name: values.numpy() for name, values in inputs.items()}
    said = dict(zip(names, session.run(list(names), given), strict=True))
    _check_latent(made, given, said["latent"])
    arrays = {"canary_counts": counts, **{f"canary_{name}": one for name, one in said.items()}}
    if "library" in inputs:
        arrays["canary_library"] = library
    return {"encoder.onnx": graph, "encoder_tail.onnx": tail} | array_members(arrays)


def _check_latent(
    made: Conversion, inputs: dict[str, NDArray[np.float32]], latent: NDArray[np.float32]
) -> None:
    session = open_session(made.members["encoder.onnx"], "encoder.onnx", device="cpu")
    (expected,) = session.run(["latent"], inputs)
    worst = largest_difference(latent, expected)
    if not worst <= TOLERANCE:
        raise TrainingError(
            f"The latent differs from the model's by {worst:.2g} (allowed: {TOLERANCE}), so the "
            "atlas was not written. Please report this with the model."
        )


def _batches(made: Conversion, reference: Reference) -> tuple[str, ...]:
    """Batches of the decoder, where there is one, and the reference's that it does not know."""
    known = made.manifest.batches
    return (*known, *(name for name in reference.batches if name not in known))


def _decoder(made: Conversion, batches: tuple[str, ...]) -> bytes:
    """Return a decoder to which a batch that it does not know is the mean of those that it does."""
    model = made.model
    assert isinstance(model, ScviModel)
    assert model.decoder is not None
    known = len(model.batches)
    expand = np.concatenate([np.eye(known), np.full((len(batches) - known, known), 1 / known)])
    if model.batch_embedding is not None:
        expand = expand @ model.batch_embedding.astype(np.float64)
    sizes = {"latent": made.network.n_latent, "batch": len(batches), "counts": len(model.genes)}
    return decoder_graph(model.decoder, expand, sizes)


def _profiles(made: Conversion, found: Attached) -> NDArray[np.float32]:
    """Mean profile of each label; that of all cells where the reference has none of a label."""
    if found.profiles is not None:
        return found.profiles
    counts = _OfPanel(found.cells.counts, made.network.panel.representative)
    everything = np.zeros_like(found.cells.label)
    # what was added to by sparse matrices is a np.matrix
    whole = np.asarray(label_means(counts, everything, 1, LIBRARY))
    n_labels = found.cells.n_labels
    if not n_labels:
        return whole.astype(np.float32)
    means = np.asarray(label_means(counts, found.cells.label, n_labels, LIBRARY))
    means[np.bincount(found.cells.label[found.cells.label >= 0], minlength=n_labels) == 0] = whole
    profiles: NDArray[np.float32] = means.astype(np.float32)
    return profiles


class _OfPanel:
    """The panel's columns of counts, a gene that comes twice in both places."""

    def __init__(self, counts: PanelCounts, own: NDArray[np.int64]) -> None:
        self._counts, self._own = counts, own
        self.shape = counts.shape[0], len(own)

    def __getitem__(self, rows: Any) -> sp.csr_matrix:
        return self._counts[rows][:, self._own]
