"""A small atlas file without a trained model, and forgeries of it."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cellport.runtime.atlas.arrays import array_specs, extents
from cellport.runtime.atlas.file import _SEAL, GRAPHS, MANIFEST, npy_bytes, write_atlas_file
from cellport.runtime.atlas.manifest import (
    Calibration,
    Head,
    HeldOut,
    Input,
    LabelScore,
    Manifest,
    Provenance,
    ReliabilityBin,
    SetScores,
    Structure,
    Thresholds,
    TrajectoryGraph,
    manifest_json,
)
from cellport.runtime.genes.match import Panel

# extents that no manifest decides
_EXTENTS = {
    "features": 4,
    "factors": 2,
    "levels": 5,
    "shares": 2,
    "bins": 3,
    "cells": 7,
    "bytes": 13,
    "lists": 2,
    "canaries": 3,
    "points": 9,
    "parts": 10,
    "steps": 16,
}
_HELD_OUT = HeldOut(
    by="batch",
    cells=200,
    accuracy=0.9,
    macro_f1=0.8,
    ece=0.05,
    by_label={"B cell": LabelScore(120, 0.95), "T cell": LabelScore(80, 0.8)},
    reliability=(ReliabilityBin(0.5, 1.0, 200, 0.85, 0.9),),
    sets=SetScores(0.9, 0.93, 1.2, 0.91, 1.5),
)


def _manifest(**changes: Any) -> Manifest:
    manifest = Manifest(
        name="small",
        organism="human",
        panel=Panel(("ACTB", "CD3E", ""), ("ENSG00000075624", "", "ENSG00000198851")),
        input=Input("panel", 1e4, log1p=True, centre=True, scale=False, cap=True),
        fill="factors",
        n_latent=2,
        answers=("latent", "novelty_score", "umap", "label_prob"),
        labels=("B cell", "T cell"),
        parents={"B cell": "lymphocyte", "T cell": "lymphocyte"},
        head=Head("softmax", Calibration("left_out_batches", 0.1), (0.2, 0.3)),
        batches=("one",),
        thresholds=Thresholds(
            low_depth=100.0, low_gene_coverage=0.6, novelty_p=0.05, set_level=0.9, call_prob=0.5
        ),
        structure=None,
        held_out=_HELD_OUT,
        provenance=Provenance(
            created="2025-01-01",
            made_by="cellport 0.1.0",
            cells=7,
            licence="CC0",
            training={"note": "ä"},
        ),
    )
    return replace(manifest, **changes)


def _arrays(manifest: Manifest) -> dict[str, NDArray[Any]]:
    """Every array that an atlas of this manifest must or may have, by name."""
    rng = np.random.default_rng(0)
    known = _EXTENTS | extents(manifest)
    made = {}
    for spec in array_specs(manifest):
        shape = tuple(known[one] if isinstance(one, str) else one for one in spec.shape)
        made[spec.name] = rng.random(shape, np.float32).astype(spec.dtype)
    n_cells, n_labels = known["cells"], max(1, known["labels"])
    made["gene_share"] /= made["gene_share"].sum()
    made["reference_label"] = (np.arange(n_cells) % n_labels).astype(np.int32)
    made["reference_batch"] = (np.arange(n_cells) % len(manifest.batches)).astype(np.int32)
    made["reference_names"] = np.frombuffer(
        b"\n".join(b"abcdefg"[i : i + 1] for i in range(7)), "u1"
    )
    made["novelty_p"] = np.geomspace(1, 1e-4, known["levels"]).astype(np.float32)
    for name in ("novelty_share", "novelty_depth", "novelty_score"):
        made[name].sort()
    return made


def _members(manifest: Manifest | None = None, **arrays: NDArray[Any]) -> dict[str, bytes]:
    """Members of an atlas of this manifest, some of its arrays replaced."""
    made = _arrays(manifest or _manifest()) | arrays
    return {
        "README.md": b"# small\n",
        **dict.fromkeys(GRAPHS, _empty_graph()),
        **{f"arrays/{name}.npy": npy_bytes(array) for name, array in made.items()},
    }


def _sealed(data: bytes) -> bytes:
    """Replace the seal by that of the contents: a forger can do that too."""
    return data[:-64] + hashlib.sha256(data[:-64]).hexdigest().encode()


def _text(members: dict[str, bytes]) -> dict[str, Any]:
    """Return the manifest as JSON values, with the hashes of the members."""
    stated = {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
        for name, data in members.items()
    }
    text: dict[str, Any] = json.loads(json.dumps(manifest_json(_manifest(), stated)))
    return text


def _put(text: dict[str, Any], name: str, value: Any) -> None:
    """Set a field of a manifest, an inner one by a dotted name."""
    *outer, last = name.split(".")
    for part in outer:
        text = text[part]
    text[last] = value


def _forge(
    path: Path,
    entries: list[tuple[str, bytes]],
    compression: int = zipfile.ZIP_STORED,
    comment: bytes = _SEAL + b"0" * 64,
) -> Path:
    """Write any zip under a correct seal."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in entries:
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=compression)
        archive.comment = comment
    path.write_bytes(_sealed(buffer.getvalue()))
    return path


def _forged(
    path: Path,
    changed: dict[str, bytes | None] | None = None,
    text: dict[str, Any] | bytes | None = None,
    **keywords: Any,
) -> Path:
    """Write an atlas whose hashes and seal fit whatever was changed."""
    whole = {**_members(), **(changed or {})}
    members = {name: data for name, data in whole.items() if data is not None}
    if not isinstance(text, bytes):
        stated = _text(members)
        for name, value in (text or {}).items():
            _put(stated, name, value)
        text = json.dumps(stated).encode()
    return _forge(path, [(MANIFEST, text), *members.items()], **keywords)


def _empty_graph() -> bytes:
    from onnx import helper

    return bytes(helper.make_model(helper.make_graph([], "g", [], [])).SerializeToString())


@pytest.fixture(scope="session")
def forgery() -> Any:
    """How to make atlas files by hand, right ones and hostile ones."""
    return SimpleNamespace(
        manifest=_manifest,
        arrays=_arrays,
        members=_members,
        sealed=_sealed,
        text=_text,
        forge=_forge,
        forged=_forged,
    )


@pytest.fixture
def forged(tmp_path: Path) -> Callable[..., Path]:
    """Write an atlas with members or manifest fields changed, under correct hashes and seal."""
    return lambda *changes, **keywords: _forged(tmp_path / "a.cellport", *changes, **keywords)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Path of a right atlas of three genes, without a model."""
    path = tmp_path / "small.cellport"
    write_atlas_file(path, _manifest(), _members())
    return path


@pytest.fixture
def small_atlas(tmp_path: Path) -> Callable[..., Any]:
    """Open an atlas of three genes with some arrays and manifest fields replaced."""
    from cellport.runtime.atlas.file import open_atlas_file

    def opened(arrays: dict[str, NDArray[Any]] | None = None, **fields: Any) -> Any:
        path, manifest = tmp_path / "small.cellport", _manifest(**fields)
        write_atlas_file(path, manifest, _members(manifest, **(arrays or {})))
        return open_atlas_file(path)

    return opened


def _path_arrays(n_genes: int) -> dict[str, NDArray[Any]]:
    """A fork: a stem, and two arms of the same length."""
    rng = np.random.default_rng(0)
    stem = np.column_stack([np.linspace(0, 4, 9), np.zeros(9)])
    arm = np.column_stack([np.linspace(4, 8, 9), np.linspace(0, 3, 9)])
    return {
        "trajectory_path": np.stack([stem, arm, arm * [1, -1]]).astype(np.float32),
        "trajectory_share": np.full((3, 10), 1 / 30, np.float32),
        "trajectory_bound": np.array([0.3, 0.3], np.float32),
        "lineage_edges": np.array([[1, 1, 0], [1, 0, 1]], np.uint8),
        "lineage_time": np.array([[0, 1], [0, 0.9]], np.float32),
        "lineage_expression": rng.gamma(1, 5, (2, 16, n_genes)).astype(np.float32),
    }


@pytest.fixture(scope="session")
def made_up_path() -> Any:
    """A trajectory that nobody trained: what the manifest says of it, and its arrays."""
    graph = TrajectoryGraph(
        ("stem", "fork", "left", "right"), ((0, 1), (1, 2), (1, 3)), (2, 3), ("label stem",)
    )
    return SimpleNamespace(structure=Structure(("0", "1"), graph), arrays=_path_arrays)
