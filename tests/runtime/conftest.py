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

from cellport.runtime.atlas.file import (
    _SEAL,
    GRAPHS,
    MANIFEST,
    REQUIRED,
    Manifest,
    npy_bytes,
    write_atlas_file,
)
from cellport.runtime.version import FORMAT_VERSION

THRESHOLDS = {
    "call_prob": 0.5,
    "set_level": 0.9,
    "low_depth": 100.0,
    "low_gene_coverage": 0.6,
    "novelty_p": 0.05,
}


def _manifest(**changes: Any) -> Manifest:
    manifest = Manifest(
        name="small",
        licence="CC0",
        organism="human",
        created="2025-01-01",
        symbols=("ACTB", "CD3E", ""),
        ensembl=("ENSG00000075624", "", "ENSG00000198851"),
        target_sum=1e4,
        n_latent=2,
        labels=("B cell", "T cell"),
        batches=("one",),
        parents={"B cell": "lymphocyte", "T cell": "lymphocyte"},
        set_prob=(0.2, 0.3),
        thresholds=THRESHOLDS,
        training={"cells": 7, "note": "ä"},
        minimum_runtime="0.1.0",
    )
    return replace(manifest, **changes)


def _members() -> dict[str, bytes]:
    arrays = [name for name in REQUIRED if name.endswith(".npy")]
    rng = np.random.default_rng(0)
    return {
        "README.md": b"# small\n",
        **dict.fromkeys(GRAPHS, _empty_graph()),
        **{name: npy_bytes(rng.random((3, 4), np.float32)) for name in arrays},
    }


def _sealed(data: bytes) -> bytes:
    """Replace the seal by that of the contents: a forger can do that too."""
    return data[:-64] + hashlib.sha256(data[:-64]).hexdigest().encode()


def _text(members: dict[str, bytes]) -> dict[str, Any]:
    """Return the manifest as JSON values, with the hashes of the members."""
    return {
        "format_version": FORMAT_VERSION,
        **{name: getattr(_manifest(), name) for name in Manifest.__dataclass_fields__},
        "members": {
            name: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
            for name, data in members.items()
        },
    }


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
        text = json.dumps({**_text(members), **(text or {})}).encode()
    return _forge(path, [(MANIFEST, text), *members.items()], **keywords)


def _empty_graph() -> bytes:
    from onnx import helper

    return bytes(helper.make_model(helper.make_graph([], "g", [], [])).SerializeToString())


@pytest.fixture(scope="session")
def forgery() -> Any:
    """How to make atlas files by hand, right ones and hostile ones."""
    return SimpleNamespace(
        manifest=_manifest,
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


def _path_arrays(n_genes: int) -> dict[str, Any]:
    """A fork: a stem, and two arms of the same length."""
    rng = np.random.default_rng(0)
    stem = np.column_stack([np.linspace(0, 4, 9), np.zeros(9)])
    arm = np.column_stack([np.linspace(4, 8, 9), np.linspace(0, 3, 9)])
    return {
        "trajectory_ends": np.array([[0, 1], [1, 2], [1, 3]], np.int32),
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
    summary = {
        "cluster_names": ["0", "1"],
        "milestones": ["stem", "fork", "left", "right"],
        "edges": ["stem -> fork", "fork -> left", "fork -> right"],
        "edge_ends": [[0, 1], [1, 2], [1, 3]],
        "terminal_states": ["left", "right"],
    }
    return SimpleNamespace(summary=summary, arrays=_path_arrays)
