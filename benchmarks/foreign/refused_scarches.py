"""Models of scArches other than scPoli; none is converted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anndata
import numpy as np

anndata.read = anndata.read_h5ad  # scArches 0.6 imports a name that anndata 0.11 lacks

from scarches.models import EXPIMAP, TRVAE, scgen  # noqa: E402

from benchmarks.foreign.cells import Cells  # noqa: E402
from benchmarks.foreign.kept import Fixture  # noqa: E402
from benchmarks.foreign.other_models import plain  # noqa: E402

PLANS = ("refused_trvae", "refused_expimap", "refused_scgen")
TRAINED: dict[str, Any] = {"n_epochs": 1, "batch_size": 64}


def make(name: str, folder: Path, every: dict[str, Cells]) -> None:
    """Train a model for an epoch and keep it."""
    cells = plain(every["reference"])
    fixture = Fixture(folder, f"refused: {name.removeprefix('refused_')}", "scArches torch")
    if name == "refused_scgen":
        model = scgen(cells, hidden_layer_sizes=[8], z_dimension=4)
    elif name == "refused_trvae":
        conditions = cells.obs["batch"].unique().tolist()
        model = TRVAE(
            cells, condition_key="batch", conditions=conditions, hidden_layer_sizes=[8],
            latent_dim=4,
        )  # fmt: skip
    else:
        cells.varm["I"] = np.eye(4, dtype=np.float32).repeat(cells.n_vars // 4, 0)
        cells.uns["terms"] = ["a", "b", "c", "d"]
        model = EXPIMAP(
            cells, condition_key="batch", hidden_layer_sizes=[8], recon_loss="nb", mask_key="I"
        )
    model.train(**TRAINED)
    model.save(str(folder), overwrite=True)
    fixture.write()
