"""What is said of a converted model's answers, and of the batch that its encoder is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cellport.runtime.atlas.manifest import AssumedBatch, Manifest
from cellport.runtime.decisions import say, text


def describe_labels(manifest: Manifest) -> str:
    """Say what labels are worth that nothing was held out for."""
    return text("cautions.uncalibrated" if manifest.gives_prob else "cautions.nearest")


def describe_own(compared: Mapping[str, Any]) -> str:
    """Say what an atlas trained on the reference cells does, beside the converted one."""

    def scores(one: Mapping[str, float]) -> str:
        return (
            f"accuracy {one['accuracy']:.3f}, macro-F1 {one['macro_f1']:.3f}, calibration error "
            f"{one['ece']:.3f}"
        )

    where = ", ".join(compared["batches"][:3]) + (", ..." if len(compared["batches"]) > 3 else "")
    return (
        f"On {compared['cells']:,} cells left out of both"
        + (f" ({where})" if where else "")
        + f", this model with reference cells: {scores(compared['model'])}; an own atlas (cellport "
        f"train) of {compared['trained_on']:,} reference cells: {scores(compared['own'])}."
    )


def describe_batch(assumed: AssumedBatch) -> str:
    """Say what stands for the batch of a cell, and how much depends on it."""
    used = [name for name, weight in zip(assumed.batches, assumed.weights, strict=True) if weight]
    if len(used) == 1:
        stands = say("assumed_batch.one", batch=used[0])
    else:
        stands = say("assumed_batch.several", n=f"{len(used):,}")
    if assumed.shift is None:
        return stands
    kept = ""
    if assumed.agreement is not None:
        share = f"{assumed.agreement:.1%}"
        kept = say("assumed_batch.kept", share=share, cells=assumed.cells)
    return say("assumed_batch.shift", said=stands, kept=kept, shift=f"{assumed.shift:.2f}")
