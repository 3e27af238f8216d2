"""What an own atlas gains is told by cells that neither it nor the fitted model has seen."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from cellport.cli import main
from cellport.runtime.atlas.file import open_atlas_file
from cellport.runtime.errors import InputError
from cellport.train.api import train_atlas
from cellport.train.attach import own
from cellport.train.attach.api import ReferenceOptions, convert_with_reference
from cellport.train.attach.own import hold_cells
from cellport.train.reference.reference import Reference

FOREIGN = Path(__file__).resolve().parents[2] / "data" / "foreign"
EIGHT = FOREIGN / "celltypist_eight" / "model.pkl"


def reference(label: Any, batch: Any, n_labels: int) -> Reference:
    n = len(label)
    return Reference(
        sp.csr_matrix((n, 1), dtype=np.float32), {"index": np.array(["CD4"], object)},
        np.array([f"c{i}" for i in range(n)], object), tuple(f"l{i}" for i in range(n_labels)),
        np.asarray(label), tuple(f"b{i}" for i in range(max(batch) + 1)), np.asarray(batch),
        "cells",
    )  # fmt: skip


@given(st.integers(0, 9999), st.integers(1, 6), st.integers(2, 5))
def test_no_cell_judges_what_it_was_part_of(seed: int, n_batches: int, n_labels: int) -> None:
    rng = np.random.default_rng(seed)
    cells = reference(rng.integers(-1, n_labels, 600), rng.integers(0, n_batches, 600), n_labels)
    # the model knows all labels but the last
    known = np.where(cells.label == n_labels - 1, -1, cells.label)
    matched = Reference(*(
        known if name == "label" else getattr(cells, name)
        for name in Reference.__dataclass_fields__
    ))  # fmt: skip
    held = hold_cells(cells, matched, seed)
    assert len(held.judged) >= 20
    assert not set(held.judged) & set(held.kept)
    assert (known[held.judged] >= 0).all()
    assert set(cells.label[held.judged]) <= set(cells.label[held.kept])
    assert (held.by == "batch") == (n_batches > 1) == bool(held.batches)
    if held.by == "batch":
        assert not set(cells.batch[held.judged]) & set(cells.batch[held.kept])
        assert {cells.batches[code] for code in cells.batch[held.judged]} <= set(held.batches)


def test_too_few_cells_of_the_models_labels_are_refused() -> None:
    cells = reference(np.arange(60) % 2, [0] * 60, 2)
    matched = reference(np.where(np.arange(60) < 10, 0, -1), [0] * 60, 2)
    with pytest.raises(InputError, match="too few to compare"):
        hold_cells(cells, matched, 0)


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    found = np.load(FOREIGN / "cells.npz")
    obs = pd.DataFrame({key: found[f"reference.{key}"].astype(str) for key in ("label", "batch")})
    obs.index = pd.Index([f"cell {i}" for i in range(len(obs))])
    # two genes of one name are counted together
    names = found["reference.genes"].astype(str).astype(object)
    names[-1] = names[-2]
    counts = sp.csr_matrix(found["reference.counts"].astype(np.float32))
    with pytest.warns(UserWarning, match="not unique"):
        made = anndata.AnnData(counts, obs, pd.DataFrame(index=names))
    made.write_h5ad(tmp_path / "cells.h5ad")
    return tmp_path / "cells.h5ad"


def test_command_tells_both(cells: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # training itself is tested elsewhere
    monkeypatch.setattr(own, "train_atlas", partial(train_atlas, epochs=1, n_latent=4))
    out = tmp_path / "a.cellport"
    words = ["convert", str(EIGHT), "-o", str(out), "--reference", str(cells), "--labels", "label",
             "--batch", "batch", "--compare-own"]  # fmt: skip
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    said = " ".join(done.output.split())
    assert "left out of both (Study 10), this model with reference cells: accuracy" in said
    assert "fitting: own atlas, model, epoch 1/1" in done.output
    assert "is not measured" not in said
    told = json.loads(CliRunner().invoke(main, ["info", str(out), "--json"]).stdout)
    compared = told["provenance"]["training"]["own_atlas"]
    assert (compared["held_out"], compared["cells"], compared["trained_on"]) == ("batch", 66, 134)
    # the model is of these very cells, and one epoch is none
    assert compared["model"]["accuracy"] > compared["own"]["accuracy"]
    card = bytes(open_atlas_file(out).read("README.md")).decode()
    assert "## Beside an atlas trained on the reference" in card
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.cellport", "cells.h5ad"]


@pytest.mark.parametrize(
    ("model", "reference", "how", "said"),
    [
        (EIGHT, None, {"batch": "batch"}, "labels that the model knows"),
        (FOREIGN / "scvi_default", None, {"labels": "label"}, "labels that the model knows"),
        (FOREIGN / "scanvi_minified", "adata.h5ad", {"labels": "label"}, "counts, not latents"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_is_fitted(
    model: Path, reference: str | None, how: dict[str, Any], said: str, cells: Path, tmp_path: Path
) -> None:
    source = model / reference if reference else cells
    options = ReferenceOptions(**how, compare_own=True)
    with pytest.raises(InputError, match=said):
        convert_with_reference(model, tmp_path / "a.cellport", source, how=options)
