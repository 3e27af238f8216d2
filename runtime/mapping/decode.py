"""Latent to expected counts, through the atlas's ``decoder.onnx``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.manifest import Manifest
from cellport.runtime.base.hints import hint
from cellport.runtime.errors import InputError
from cellport.runtime.mapping.encode import run_graph


def decode_latent(
    session: Any,
    manifest: Manifest,
    latent: NDArray[np.floating],
    batch: str | None,
    library: float | NDArray[np.floating],
) -> NDArray[np.float32]:
    """Decode in one batch, or in all of them for the mean; as `Atlas.decode` says.

    `session` is of ``decoder.onnx``.
    """
    latent = np.ascontiguousarray(latent, dtype=np.float32)
    names = manifest.batches
    if latent.ndim != 2 or latent.shape[1] != manifest.n_latent:
        raise InputError(f"latent must be [cells, {manifest.n_latent}], not {latent.shape}.")
    check_batch(batch, names)
    chosen = range(len(names)) if batch is None else [names.index(batch)]
    size = np.asarray(library, np.float32).reshape(-1, 1)
    if len(size) not in (1, len(latent)):
        raise InputError(f"library must be one number or {len(latent)}, not {len(size)}.")
    size = np.ascontiguousarray(np.broadcast_to(size, (len(latent), 1)))
    total = np.zeros((len(latent), manifest.n_genes), np.float32)
    for code in chosen:
        one_hot = np.zeros((len(latent), len(names)), np.float32)
        one_hot[:, code] = 1
        inputs = {"latent": latent, "batch": one_hot, "library": size}
        total += run_graph(session, inputs)["counts"]
    return np.asarray(total / len(chosen), dtype=np.float32)


def check_batch(batch: str | None, batches: Sequence[str]) -> None:
    """Refuse a batch that the reference does not have.

    Raises
    ------
    InputError
        Naming those that it has.
    """
    if batch is None or batch in batches:
        return
    raise InputError(f"No batch {batch!r} in this atlas. {hint(batch, batches)}")
