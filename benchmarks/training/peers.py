"""Training steps of scvi-tools on the cells and genes that cellport trains on.

    python -m benchmarks.training.peers PANEL_FILE BATCH_SIZE STEPS

Run by ``benchmarks.training`` in the environment of the peers. The network has the width, depth and
latent of cellport's; loader, loop and optimiser are scvi-tools' own. One figure has the cells in
memory, as scvi-tools recommends, the other in the file, of which AnnData reads what it is asked
for.
"""

from __future__ import annotations

import json
import sys
import time
import warnings

import anndata
import scvi
import torch
from lightning.pytorch.callbacks import Callback

_LEFT_ON_DISK = 15


class Clock(Callback):
    """Notes when each step ended."""

    def __init__(self) -> None:
        self.ends: list[tuple[float, float]] = []

    def on_train_batch_end(self, *_: object) -> None:
        """Note the time."""
        self.ends.append((time.perf_counter(), time.process_time()))


def rate(cells: anndata.AnnData, batch_size: int, steps: int) -> dict[str, float]:
    """Cells a second over the last four fifths of the steps."""
    scvi.model.SCVI.setup_anndata(cells, batch_key="donor")
    model = scvi.model.SCVI(cells, n_hidden=128, n_layers=2, n_latent=30, gene_likelihood="nb")
    clock = Clock()
    model.train(
        max_epochs=1,
        max_steps=steps,
        batch_size=batch_size,
        accelerator="cpu",
        train_size=1.0,
        enable_progress_bar=False,
        logger=False,
        callbacks=[clock],
    )
    first = len(clock.ends) // 5
    (wall, cpu), (wall_end, cpu_end) = clock.ends[first], clock.ends[-1]
    trained = (len(clock.ends) - 1 - first) * batch_size
    return {"wall": trained / (wall_end - wall), "cpu": trained / (cpu_end - cpu)}


def main() -> None:
    warnings.filterwarnings("ignore")
    path, batch_size, steps = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    # as many threads as cellport takes for a step of this size
    torch.set_num_threads(max(1, min(torch.get_num_threads(), batch_size * 2000 // 500_000)))
    found = {"scvi-tools, counts in memory": rate(anndata.read_h5ad(path), batch_size, steps)}
    try:
        on_disk = anndata.read_h5ad(path, backed="r")
        found["scvi-tools, counts on disk"] = rate(on_disk, batch_size, _LEFT_ON_DISK)
    except Exception as error:  # noqa: BLE001 - whatever it cannot do is not measured
        print(f"scvi-tools on a backed AnnData: {error}", file=sys.stderr)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
