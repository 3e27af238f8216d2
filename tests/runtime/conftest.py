"""A small atlas file without a trained model, forgeries of it, and mapped cells."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray

from cellport.runtime.atlas.arrays import array_specs, extents, has
from cellport.runtime.atlas.file import GRAPHS, MANIFEST, npy_bytes, write_atlas_file
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
from cellport.runtime.atlas.seal import unsealed
from cellport.runtime.columns import QUALITIES, UNKNOWN, Column, MappedBlock, Schema
from cellport.runtime.genes.match import GeneMatch
from cellport.runtime.genes.panel import Panel
from cellport.runtime.sources.block import CountBlock

LABELS = ("B cell", "T cell", "monocyte")
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
        if spec.when != "optional" and not has(manifest, spec.when):
            continue
        shape = tuple(known[one] if isinstance(one, str) else one for one in spec.shape)
        made[spec.name] = rng.random(shape, np.float32).astype(spec.dtype)
    n_cells, n_labels = known["cells"], max(1, known["labels"])
    if "gene_share" in made:
        made["gene_share"] /= made["gene_share"].sum()
    if not manifest.has_reference:
        return made
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
        **dict.fromkeys((*GRAPHS, "decoder.onnx"), _empty_graph()),
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
    comment: bytes = unsealed(),
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


@dataclass(frozen=True)
class MadeUpCells:
    """Columns of a mapping that is made up, and the counts and genes of its queries."""

    schema: Schema
    obs: dict[str, Any]
    obsm: dict[str, Any]
    counts: sp.csr_matrix
    genes: tuple[GeneMatch, ...]
    own: dict[str, Any]  # columns of the queries' own
    label_prob: Any

    @property
    def n(self) -> int:
        return len(self.obs["cellport_qc"])

    def block(self, start: int, stop: int) -> MappedBlock:
        """Cells of one query."""
        rows = slice(start, stop)
        names = np.array([f"c{i}" for i in range(start, stop)], object)
        obs = {name: values[rows] for name, values in self.obs.items()}
        part = self.counts[rows]
        counts = CountBlock(
            start, part.indptr.astype(np.int64), part.indices.astype(np.int32), part.data
        )
        obsm = {k: v[rows] for k, v in self.obsm.items()}
        own = {name: (codes[rows], values) for name, (codes, values) in self.own.items()}
        prob = None if self.label_prob is None else self.label_prob[rows]
        return MappedBlock(start, names, obs, obsm, counts, own, prob)

    def blocks(self, cuts: list[int]) -> list[tuple[MappedBlock, GeneMatch]]:
        """Cells cut there and between queries, each block with the genes of its query."""
        query = self.obs.get("cellport_query", np.zeros(self.n, np.int32))
        between = (np.flatnonzero(np.diff(query)) + 1).tolist()
        ends = sorted([0, *between, *(cut for cut in cuts if cut < self.n), self.n])
        last = max(self.n - 1, 0)
        return [
            (self.block(start, stop), self.genes[query[min(start, last)] if self.n else 0])
            for start, stop in itertools.pairwise(ends)
        ]


def _cells(
    n: int,
    seed: int = 0,
    labels: tuple[str, ...] = LABELS,
    groups: tuple[str, ...] = ("lymphocyte",),
    queries: tuple[str, ...] = (),
    novel: float = 0.0,
    quality: tuple[float, ...] = (0.9, 0.02, 0.05, 0.03),
    sure: float = 0.8,
    clusters: tuple[str, ...] = (),
    edges: tuple[str, ...] = (),
    states: int = 0,
    n_latent: int = 4,
    n_genes: int = 5,
    others: tuple[str, ...] = (),
) -> MadeUpCells:
    rng = np.random.default_rng(seed)
    columns, obs = [], {}
    if labels:
        calls = (*labels, *groups, UNKNOWN)
        columns = [
            Column("cellport_label", "category", (*labels, UNKNOWN)),
            Column("cellport_prob", "float"),
            Column("cellport_call", "category", calls),
            Column("cellport_label_set", "text"),
        ]
        label = rng.integers(0, len(labels), n).astype(np.int32)
        prob = rng.random(n, np.float32)
        other = rng.integers(len(labels), len(calls), n)
        obs = {
            "cellport_label": label,
            "cellport_prob": prob,
            "cellport_call": np.where(rng.random(n) < sure, label, other).astype(np.int32),
            "cellport_label_set": rng.choice(np.array(["", "a", "a;b", "a;b;c;d"], object), n),
        }
    columns += [
        Column("cellport_novelty_p", "float"),
        Column("cellport_novel", "bool"),
        Column("cellport_qc", "category", QUALITIES),
    ]
    obs["cellport_novelty_p"] = rng.random(n, np.float32)
    obs["cellport_novel"] = rng.random(n) < novel
    obs["cellport_qc"] = rng.choice(4, n, p=quality).astype(np.int32)
    if queries:
        columns.append(Column("cellport_query", "category", queries))
        obs["cellport_query"] = np.sort(rng.integers(0, len(queries), n)).astype(np.int32)
    obsm = {
        "X_cellport": rng.normal(size=(n, n_latent)).astype(np.float32),
        "X_cellport_umap": rng.normal(size=(n, 2)).astype(np.float32),
    }
    if clusters:
        columns.append(Column("cellport_cluster", "category", clusters))
        obs["cellport_cluster"] = rng.integers(-1, len(clusters), n).astype(np.int32)
    if edges:
        columns += [
            Column("cellport_edge", "category", edges),
            Column("cellport_edge_fraction", "float"),
            Column("cellport_pseudotime", "float"),
            Column("cellport_pseudotime_sd", "float"),
        ]
        edge = rng.integers(-1, len(edges), n).astype(np.int32)
        obs["cellport_edge"] = edge
        for name in ("edge_fraction", "pseudotime", "pseudotime_sd"):
            values = np.where(edge < 0, np.nan, rng.random(n))
            obs[f"cellport_{name}"] = values.astype(np.float32)
        fate = rng.dirichlet(np.full(states, 0.2), n).astype(np.float32)
        obsm["X_cellport_fate"] = np.where(edge[:, None] < 0, np.nan, fate)
    if others:
        drawn = np.random.default_rng([seed, 1])
        names = [f"cellport_label_{other}" for other in others]
        columns += [Column(name, "category", (*labels, UNKNOWN)) for name in names]
        columns += [
            Column("cellport_joint", "category", (*labels, UNKNOWN)),
            Column("cellport_agreement", "float"),
        ]
        for name in (*names, "cellport_joint"):
            obs[name] = drawn.integers(0, len(labels) + 1, n).astype(np.int32)
        agreeing = drawn.integers(0, len(others) + 2, n) / (len(others) + 1)
        obs["cellport_agreement"] = agreeing.astype(np.float32)
    schema = Schema(tuple(columns), {name: m.shape[1] for name, m in obsm.items()})
    counts = sp.csr_matrix(rng.poisson(0.5, (n, n_genes + 4)).astype(np.float32))
    genes = tuple(_half_of_the_genes(n_genes, rng) for _ in range(max(1, len(queries))))
    donors = np.array(["", "ann", "bo", "ähm"], object)
    donor = rng.integers(0, len(donors), n).astype(np.int32), donors
    prob = rng.dirichlet(np.ones(len(labels)), n).astype(np.float32) if labels else None
    return MadeUpCells(schema, obs, obsm, counts, genes, {"donor": donor}, prob)


def _half_of_the_genes(n_genes: int, rng: np.random.Generator) -> GeneMatch:
    """Match a query of some more genes, of which half are in the panel, one of them twice."""
    some = rng.permutation(n_genes)[: n_genes // 2 + 1]
    column = np.full(n_genes + 4, -1, np.int32)
    column[: len(some) + 1] = [*some, some[0]]
    measured = np.isin(np.arange(n_genes), some)
    # a name that comes twice, what has none, and names in an order of this query's own
    names = rng.permutation([f"Q{i % 37}" for i in range(len(column) - 1)] + [""]).astype(object)
    return GeneMatch(
        rng.permutation(column),
        np.ones(len(column), bool),
        measured,
        "index",
        "human",
        np.zeros(n_genes, np.int8),
        (),
        (),
        (),
        names,
    )


@pytest.fixture(scope="session")
def made_up_cells() -> Callable[..., MadeUpCells]:
    """How to make up mapped cells."""
    return _cells
