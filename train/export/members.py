"""The members of an atlas file that come from a trained model and its reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cellport.models.deploy import ExpectedCounts, MappingEncoder, MappingTail, answer_names
from cellport.models.layout import LayoutNetwork
from cellport.models.structure import StructureHead
from cellport.models.vae import CountVAE
from cellport.runtime.atlas.arrays import EXACT_BELOW
from cellport.runtime.atlas.file import npy_bytes
from cellport.runtime.atlas.session import open_session
from cellport.train.export.centroids import neighbor_centroids
from cellport.train.export.graphs import export_graph
from cellport.train.features.log_normalise import label_profiles
from cellport.train.infer import Fitted
from cellport.train.labels.calibrate import Calibration
from cellport.train.novelty import Novelty
from cellport.train.reference.reference import Reference

_CANARY_CELLS = 8


def export_members(
    fitted: Fitted,
    calibration: Calibration,
    novelty: Novelty,
    layout: LayoutNetwork,
    structure: StructureHead,
) -> dict[str, bytes]:
    """Graphs and arrays of the atlas, by member name."""
    model, cells, latent, seed = fitted.model, fitted.cells, fitted.latent, fitted.seed
    tail = MappingTail(
        model.encoder.tail,
        calibration.softness,
        novelty.score,
        layout,
        structure,
        calibration.temperature,
    )
    encoder = MappingEncoder(model.encoder, tail)
    outputs = answer_names(cells.n_labels > 0, structure.has_trajectory)
    canary = canary_counts(model, latent, seed)
    gaps = torch.from_numpy(canary.copy())
    gaps[::2, ::3] = torch.nan
    with torch.inference_mode():
        values, _ = encoder.normalise(gaps)
        features = values @ encoder.weight
    rows = np.random.default_rng(seed).integers(0, len(latent), _CANARY_CELLS)
    batch = torch.eye(cells.n_batches)[torch.from_numpy(cells.batch[rows])]
    decoder_inputs = {
        "latent": torch.from_numpy(latent[rows]),
        "batch": batch,
        "library": torch.full((_CANARY_CELLS, 1), 1000.0),
    }
    graph = export_graph(encoder, {"counts": gaps}, outputs, "encoder.onnx")
    of_tail = export_graph(tail, {"features": features}, outputs, "encoder_tail.onnx")
    of_decoder = export_graph(ExpectedCounts(model), decoder_inputs, ("counts",), "decoder.onnx")
    members = {"encoder.onnx": graph, "encoder_tail.onnx": of_tail, "decoder.onnx": of_decoder}
    of_genes = ("mean", "cap", "share", "loading", "noise")
    arrays = {
        "basis": encoder.weight.numpy(),
        **{f"gene_{name}": getattr(encoder.normalise, name).numpy() for name in of_genes},
        "canary_counts": canary,
        "label_mean": label_profiles(cells),
        **novelty.arrays,
    }
    session = open_session(graph, "encoder.onnx", device="cpu")
    expected = dict(zip(outputs, session.run(None, {"counts": canary}), strict=True))
    arrays |= {f"canary_{name}": value for name, value in expected.items()}
    return members | array_members(arrays)


def reference_members(
    reference: Reference, latent: NDArray[np.float32], placed: NDArray[np.float32], seed: int
) -> dict[str, bytes]:
    """Arrays of the reference cells themselves, by member name: what a query is compared with."""
    names = "\n".join(str(name).replace("\n", " ") for name in reference.cell_names)
    arrays: dict[str, NDArray[Any]] = {
        "reference_latent": latent,
        "reference_umap": placed,
        "reference_label": reference.label.astype(np.int32),
        "reference_batch": reference.batch.astype(np.int32),
        "reference_names": np.frombuffer(names.encode(), np.uint8),
    }
    if len(latent) >= EXACT_BELOW:
        arrays["neighbor_centroids"] = neighbor_centroids(latent, seed)
    return array_members(arrays)


def array_members(arrays: dict[str, NDArray[Any]]) -> dict[str, bytes]:
    """Arrays as members of the file, by member name."""
    return {f"arrays/{name}.npy": npy_bytes(array) for name, array in arrays.items()}


def canary_counts(model: CountVAE, latent: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Draw a few cells from the decoder, float32 [8, genes]: like real ones, yet nobody's."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, len(latent), _CANARY_CELLS)
    batch = torch.full((_CANARY_CELLS, model.config.n_batches), 1 / model.config.n_batches)
    library = torch.from_numpy(np.geomspace(300, 20000, _CANARY_CELLS, dtype=np.float32))
    with torch.inference_mode():
        mean, _ = model.decoder(torch.from_numpy(latent[rows]), batch, library.unsqueeze(1))
    return np.asarray(rng.poisson(mean.numpy()), dtype=np.float32)
