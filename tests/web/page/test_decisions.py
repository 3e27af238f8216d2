"""The page's TypeScript makes the decisions of the Python runtime: genes and raw counts."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anndata
import numpy as np
import pandas as pd
import scipy.sparse as sp

from cellport.runtime.atlas.arrays import answers_of, array_specs, extents
from cellport.runtime.atlas.file import (
    AtlasFile,
    atlas_from_bytes,
    npy_bytes,
    open_atlas_file,
    write_atlas_file,
)
from cellport.runtime.atlas.manifest import (
    Manifest,
    Structure,
    TrajectoryGraph,
    read_manifest,
)
from cellport.runtime.base.bottom_k import spread_out
from cellport.runtime.columns import FATE
from cellport.runtime.errors import AtlasError, InputError
from cellport.runtime.genes.match import match_genes
from cellport.runtime.genes.panel import Panel
from cellport.runtime.mapping.annotate import structure
from cellport.runtime.mapping.annotate.annotator import Setting
from cellport.runtime.mapping.annotate.centres import find_centres, nearest_centre
from cellport.runtime.mapping.encode import EncodedCells
from cellport.runtime.mapping.options import MapOptions
from cellport.runtime.sources.content import classify
from cellport.runtime.sources.source import MatrixSample
from cellport.web.server.site import manifest_bytes


def test_manifests_genes_and_raw_counts_are_judged_alike(
    tiny_cells: Any, tiny_path_atlas: Path, tmp_path: Path, compute_again: Callable[..., None]
) -> None:
    atlas = open_atlas_file(tiny_path_atlas)
    stated = json.loads(manifest_bytes(atlas))
    manifests = {"base": stated, "cases": list(manifest_cases(stated))}
    (tmp_path / "manifests.json").write_text(json.dumps(manifests))
    (tmp_path / "arrays.json").write_text(json.dumps(list(array_cases(atlas, tmp_path))))
    (tmp_path / "genes.json").write_text(json.dumps(gene_cases(tiny_cells)))
    (tmp_path / "structure.json").write_text(json.dumps(list(structure_cases(atlas.manifest))))
    (tmp_path / "centres.json").write_text(json.dumps(centre_cases()))
    (tmp_path / "gate.json").write_text(json.dumps(list(gate_cases())))
    (tmp_path / "columns.json").write_text(json.dumps(write_columns(tmp_path / "columns.h5ad")))
    compute_again(tmp_path, "same_decisions", "pieces", "map.test", "tables.test")


# what a field may be made of by somebody who errs or means harm; None stands for its absence
SPOILT = (None, [None], ["x"], [-1], [True], [1.5], [10**13], [[]], [{}], [["x"]], [[[0, 99]]])
# of fields that are refused for what they say
STATED: tuple[tuple[str, Any], ...] = (
    ("minimum_runtime", "99.1"),
    ("minimum_runtime", "0.1.0.7"),
    ("minimum_runtime", "0.1"),
    ("requires", {"several libraries": "0.9"}),
    ("requires", {"b": 7, "a": None}),
    ("format_version", 2),
    ("format_version", "1"),
    ("format_version", None),
    ("input.library", "query"),
    ("input.library", "guess"),
    ("input.log1p", False),
    ("input.scale", True),
    ("input.target", 0),
    ("fill", "zero"),
    ("fill", "mean"),
    ("input.library", "none"),
    ("input.target", None),
    ("input.centre", False),
    ("head.kind", "sigmoids"),
    ("head.set_prob", []),
    ("head.set_mass", 1.0),
    ("head.set_mass", -0.1),
    ("head.calibration.information_power", -1),
    ("batches", []),
    ("answers", ["latent", "umap"]),
    ("head.kind", "prototypes"),
    ("head.calibration.state", "ä"),
    ("answers", ["latent", "label_prob"]),
    ("panel.other_names", []),
    ("panel.other_names", ["A"]),
    ("labels", ["a", "a"]),
    ("labels", []),
    ("parents", {"a": "b"}),
    ("parents", {"stem": "b", "b": "stem"}),
    ("structure.clusters", ["0", "0"]),
    ("structure.trajectory.milestones", ["a"]),
    ("structure.trajectory.edges", []),
    ("structure.trajectory.edges", [[0, 1, 2]]),
    ("structure.trajectory.terminals", [0, 0]),
)


def manifest_cases(stated: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every field of a manifest spoilt in every way, and what Python says to it."""
    added = ("members", "sha256", "terms", "term_notes")
    text = {key: value for key, value in stated.items() if key not in added}
    fields = [*leaves(text), *(name for name, _ in STATED)]
    changes = [(name, values) for name in dict.fromkeys(fields) for values in SPOILT]
    for name, values in [*changes, *((name, [value]) for name, value in STATED)]:
        changed = json.loads(json.dumps(text))
        *above, last = name.split(".")
        inner = changed
        for part in above:
            inner = inner[part]
        inner.pop(last)
        if values:
            inner[last] = values[0]
        yield {"field": name, "values": values, "error": refusal(changed)}


def leaves(text: dict[str, Any], above: str = "") -> Iterator[str]:
    for name, value in text.items():
        yield f"{above}{name}"
        if isinstance(value, dict) and name not in ("training", "by_label", "parents"):
            yield from leaves(value, f"{above}{name}.")


def refusal(text: dict[str, Any]) -> str | None:
    try:
        if repr(text.get("format_version")) == "1":
            read_manifest(text, Path("The atlas"))
        else:
            atlas_from_bytes(sealed(json.dumps(text).encode()), "The atlas")
    except AtlasError as error:
        return str(error)
    return None


def sealed(manifest: bytes) -> bytes:
    """An atlas file of nothing but a manifest."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("manifest.json", manifest)
        archive.comment = b"cellport atlas, sha256 of all bytes before these 64: " + b"0" * 64
    whole = file.getvalue()[:-64]
    return whole + hashlib.sha256(whole).hexdigest().encode()


def array_cases(atlas: AtlasFile, folder: Path) -> Iterator[dict[str, Any]]:
    """Every array of an atlas as it is and spoilt in many ways, and what Python says to it."""
    members = {name: bytes(atlas.read(name)) for name in atlas.members}
    known = extents(atlas.manifest)
    for spec in array_specs(atlas.manifest):
        if not atlas.has_array(spec.name):
            continue
        array = atlas.array(spec.name)
        changed = [array, array.astype("f8"), array[..., None]]
        if spec.shape and spec.shape[0] in known:
            changed.append(array[:-1])
        values = (-2, 0, 10_000, np.nan, np.inf) if spec.dtype == "f4" else (-2, -1, 10_000)
        for value in values if spec.dtype != "u1" else ():
            changed.append(array.copy())
            changed[-1].flat[array.size // 2] = value
        for one in changed:
            npy, path, said = npy_bytes(np.ascontiguousarray(one)), folder / "The atlas", None
            write_atlas_file(path, atlas.manifest, members | {f"arrays/{spec.name}.npy": npy})
            try:
                open_atlas_file(path).array(spec.name)
            except AtlasError as error:
                said = str(error).replace(f"{path}", "The atlas")
            yield {"name": spec.name, "npy": b64encode(npy).decode(), "error": said}


def gene_cases(tiny_cells: Any) -> dict[str, Any]:
    """Names of the panel's genes, spoilt in many ways at random, and what Python made of them."""
    symbols = (*tiny_cells.symbols, "", "MATR3", "HLA-A", "7SK", "straße", "CFAP57", "IL8")
    ensembl = (*tiny_cells.ensembl, "ENSG00000000003", "", "ENSG00000206503", "", "", "", "")
    panel = Panel(symbols, ensembl)
    rng = np.random.default_rng(1)
    cases = [
        gene_case(panel, f"spoilt {seed}", spoilt_names(panel, rng), organism)
        for seed in range(150)
        for organism in ("human", None)
    ]
    mouse = {"index": [f"Gene{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(300)]}
    cases += [
        gene_case(panel, "mouse", mouse, "human"),
        gene_case(panel, "R names", {"index": [s.replace("-", ".") for s in symbols]}, None),
        gene_case(panel, "nothing", {"index": []}, None),
        gene_case(panel, "lower case", {"index": [s.lower() for s in symbols]}, "human"),
        gene_case(panel, "few", {"index": list(symbols[:20])}, "human"),
        gene_case(panel, "antibodies", {"index": [f"{s}_TotalA" for s in symbols]}, "human"),
        *(
            gene_case(panel, f"surface proteins twice {seed}", surface_twice(symbols, rng), "human")
            for seed in range(60)
        ),
        gene_case(panel, "capitals", {"index": [*symbols, *OF_MOUSE]}, "human"),
        gene_case(panel, "of mouse", {"index": [*symbols, *OF_MOUSE]}, "mouse"),
        gene_case(panel, "other ids", beside_ids(symbols, "ENSMUSG"), "human"),
        *(gene_case(panel, f"{n} named twice", named_twice(panel, n), None) for n in (2, 9, 50)),
    ]
    stated = {"symbols": symbols, "ensembl": ensembl}
    return {"panel": stated, "cases": [*cases, *other_name_cases(panel, rng)]}


def other_name_cases(panel: Panel, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Panels of symbols or of ids alone, as converted models have them, with other names."""
    nothing = ("",) * panel.n_genes
    for seed in range(60):
        one = Panel(panel.symbols, nothing, True, panel.ensembl)
        if seed % 2:
            one = Panel(nothing, panel.ensembl, True, panel.symbols)
        columns = spoilt_names(panel, rng)
        yield {**gene_case(one, f"other names {seed}", columns, "human"), "panel": asdict(one)}


def spoilt_names(panel: Panel, rng: np.random.Generator) -> dict[str, list[str]]:
    spoil = [
        lambda s, e: s,
        lambda s, e: e,
        lambda s, e: f"{e}.{rng.integers(1, 20)}",
        lambda s, e: s.lower(),
        lambda s, e: f"GRCh38_{s}",
        lambda s, e: f"hg19-{e}.3",
        lambda s, e: f"{e}_{s}",
        lambda s, e: f"{s}|{e}.7",
        lambda s, e: f"{s}.1",
        lambda s, e: f"{s}-1",
        lambda s, e: s.replace("-", "."),
        lambda s, e: f"X{s}",
        lambda s, e: "",
        lambda s, e: f"LOC{rng.integers(1000)}",
        lambda s, e: f"mm10___{s}",
        lambda s, e: f"grch38_premrna_{s}",
        lambda s, e: f"{e}|{s}|{rng.integers(99):07x}",
        lambda s, e: f"{s}_TotalSeqB",
        lambda s, e: f"chr{rng.integers(20)}:{rng.integers(1000)}-2000",
        lambda s, e: f"ENSMUSG{rng.integers(1000):011d}",
        lambda s, e: s.capitalize(),
        lambda s, e: f" {s}",
        lambda s, e: f'"{s}"',
        lambda s, e: f"b'{e}' ",
        lambda s, e: f"rna_{s}",
        lambda s, e: f"{s}__chr7",
        lambda s, e: {"CFAP57": "WDR65", "IL8": "CXCL8", "MATR3": "TM4SF6"}.get(s, s),
    ]
    chosen = rng.choice(len(spoil), rng.integers(1, 6))
    columns = {}
    second = rng.choice(["gene_ids", "Gene_Symbol", "nearest", "index (column)"])
    for column in ("index", second)[: rng.integers(1, 3)]:
        genes = rng.integers(0, panel.n_genes, rng.integers(100, 400))
        columns[column] = [
            spoil[rng.choice(chosen)](panel.symbols[gene], panel.ensembl[gene]) for gene in genes
        ]
    length = min(map(len, columns.values()))
    columns = {column: names[:length] for column, names in columns.items()}
    kinds = (
        ("feature_types", ["Gene Expression", "Gene Expression", "Antibody Capture", "Custom", ""]),
        ("Feature Type", ["protein_coding", "lncRNA", "ADT"]),
        ("what", ["rna", "rna", "Peaks"]),
        ("genome", ["GRCh38", "GRCh38", "mm10", ""]),
        ("feature_reference", ["NCBITaxon:9606", "NCBITaxon:9606", "NCBITaxon:32630"]),
    )
    for name, words in kinds:
        if rng.random() < 0.3:
            columns[name] = rng.choice(words, length).tolist()
    return columns


OF_MOUSE = ["1110004F10RIK", "H2-K1", "OLFR56", "RPL9-PS6", *(f"GM{i}" for i in range(100, 110))]


def surface_twice(symbols: tuple[str, ...], rng: np.random.Generator) -> dict[str, list[str]]:
    """Antibodies called as genes are: a block at an end, or anywhere; some beside ids."""
    surface = [f"CD{i}{letter}" for i in range(1, 9) for letter in "AE"]
    named = rng.permutation([*surface[: rng.integers(2, 16)], *(["CD99"] * rng.integers(2))])
    block = rng.permutation([*named, *(f"IgG{i}" for i in range(rng.integers(30)))]).tolist()
    genes = rng.permutation([*symbols, *surface, "CD99", *symbols[: rng.integers(40)]]).tolist()
    place = rng.integers(3)
    if place == 2:
        names = rng.permutation([*genes, *block]).tolist()
    else:
        names = [*block, *genes] if place else [*genes, *block]
    if rng.random() < 0.3:
        names = list(anndata.utils.make_index_unique(pd.Index(names)))
    return beside_ids(names, "ENSG") if rng.random() < 0.2 else {"index": names}


def beside_ids(names: Sequence[str], kind: str) -> dict[str, list[str]]:
    """Names beside ids that the atlas does not know; the last ones lack them."""
    ids = [f"{kind}{9 * 10**10 + i}" for i in range(len(names) - 20)]
    return {"index": list(names), "ids": [*ids, *[""] * 20]}


def named_twice(panel: Panel, contradicting: int) -> dict[str, list[str]]:
    """Symbols and Ensembl ids, some of which are those of the next gene."""
    symbols, ids = list(panel.symbols[:100]), list(panel.ensembl[:100])
    ids[:contradicting] = np.roll(ids[:contradicting], 1).tolist()
    return {"index": symbols, "gene_ids": ids}


def gene_case(
    panel: Panel, name: str, columns: dict[str, list[str]], organism: str | None
) -> dict[str, Any]:
    case = {"name": name, "columns": columns, "organism": organism, "error": None, "match": None}
    arrays = {column: np.array(names, object) for column, names in columns.items()}
    try:
        match = match_genes(arrays, panel, organism=organism)
    except InputError as error:
        return {**case, "error": str(error)}
    found = {
        "panel_column": match.panel_column.tolist(),
        "column": match.column,
        "organism": match.organism,
        "by_rule": match.by_rule,
        "n_duplicated": match.n_duplicated,
        "ambiguous": match.ambiguous,
        "missing": match.missing,
        "warnings": match.warnings,
    }
    return {**case, "match": found}


def centre_cases() -> dict[str, Any]:
    """Draws, the order of a sample, and groups of cells near each other."""
    rng = np.random.default_rng(4)
    cases = []
    for cells, width, n in ((5, 3, 5), (400, 1, 12), (900, 10, 60), (500, 40, 30), (300, 290, 9)):
        middles = rng.normal(0, 2, (7, width))
        latent = (middles[rng.integers(0, 7, cells)] + rng.normal(size=(cells, width))).astype("f4")
        centres = find_centres(latent, n)
        nearest = nearest_centre(centres, latent)
        cases.append(
            {
                "width": width,
                "n": n,
                "latent": latent.ravel().tolist(),
                "centres": centres.ravel().tolist(),
                "nearest": nearest.tolist(),
            }
        )
    return {
        "draws": np.random.default_rng(0).random(300).tolist(),
        "order": np.argsort(spread_out(np.arange(1000))).tolist(),
        "cases": cases,
    }


def gate_cases() -> Iterator[dict[str, Any]]:
    rng = np.random.default_rng(2)
    for draw in range(30):
        n = 12 + 24 * (draw % 2)
        counts = rng.poisson(rng.gamma(0.5, 2, 40), (n, 40)).astype(np.float64)
        total = np.maximum(counts.sum(axis=1, keepdims=True), 1)
        for values in (
            counts,
            counts + rng.random() * (rng.random(counts.shape) < 0.3),
            counts / total * 1e4,
            np.log1p(counts / total * 1e4),
            np.log1p(counts * rng.random((n, 1)) * 9),
            (counts - counts.mean(axis=0)) / 3,
            counts * 0,
            rng.random(counts.shape),
            counts + 1e300,
            counts > 0,
            np.round(counts / total * 1e4),
            np.round(counts / total * 1e3),
            np.round(counts / total * 97),
            np.argsort(np.argsort(counts, axis=1), axis=1),
            np.argsort(np.argsort(rng.random((n, 120)), axis=1), axis=1)[:, ::3],
            rng.permuted(np.tile(counts[0], (n, 1)), axis=1),
            counts * (1 + 1e-6),
            np.sqrt(counts),
            np.sqrt(counts / total * 1e4),
            np.log2(counts + 1),
            np.round(np.log2(counts + 1)),
            np.minimum(counts, 3),
            counts + 1,
            counts - 1,
            counts * 3e9,
            counts[np.zeros(n, int)],
            counts[rng.integers(0, 5, n)],
            rng.poisson(counts / total * 1e4),
        ):
            with np.errstate(over="ignore"):
                kept = values.astype(np.float32)
            rows = np.repeat(np.arange(n), 40)
            genes = np.tile(np.arange(40, dtype=np.int32), n)
            for cells in (rows, None):
                sample = MatrixSample(kept.ravel(), cells, None if cells is None else genes)
                yield {
                    "values": [v if np.isfinite(v) else 1e300 for v in kept.ravel().tolist()],
                    "cells": None if cells is None else cells.tolist(),
                    "genes": 40,
                    "content": classify(sample, 40),
                }


def write_columns(path: Path) -> dict[str, list[Any]]:
    """Write a file whose cells have columns of every kind, and return their values."""
    numbers = [0.5, None, -3.0, 1e9]
    kinds = {
        "flag": pd.Series([True, False, True, True]),
        "whole": pd.Series([7, 0, -1, 2**40]),
        "real": pd.Series(numbers, dtype=np.float64),
        "maybe_whole": pd.array([1, None, 3, 4], dtype="Int64"),
        "maybe_flag": pd.array([True, None, False, True], dtype="boolean"),
        "text": pd.Series(["a", "", "Ä b", "1"], dtype=object),
        "kind": pd.Categorical(["b", None, "a", "b"]),
        "sorted kind": pd.Categorical(["low", "high", "low", None], ["low", "high"], ordered=True),
        "odd:name": pd.Series([1, 2, 3, 4]),
    }
    obs = pd.DataFrame(kinds)
    obs.index = pd.Index([f"cell {i}" for i in range(4)])
    anndata.AnnData(sp.csr_matrix(np.eye(4, dtype=np.float32)), obs=obs).write_h5ad(path)
    return {
        name: [None if pd.isna(value) else value for value in pd.Series(values).tolist()]
        for name, values in kinds.items()
    }


def structure_cases(manifest: Manifest) -> Iterator[dict[str, Any]]:
    """Answers at random for an atlas with a trajectory, one with clusters only, one with none."""
    rng = np.random.default_rng(3)
    names = ("root", "left", "right")
    graph = TrajectoryGraph(names, ((0, 1), (0, 2)), (1, 2))
    for stated in (Structure(names, graph), Structure(names), None):
        atlas: Any = SimpleNamespace(
            manifest=replace(manifest, structure=stated), array=lambda name: np.ones((2, 2))
        )
        library = rng.integers(0, 3, 50) * 100.0
        answers = {
            name: rng.random((50, *shape), np.float32) * 0.6
            for name, shape in answers_of(atlas.manifest).items()
        }
        nothing: Any = None
        annotator = structure.prepare(Setting(atlas, MapOptions(), nothing, {}))
        found = annotator.annotate(EncodedCells(0, answers, library)) if annotator else {}
        columns = annotator.schema.columns if annotator else ()
        yield {
            "structure": stated and asdict(stated),
            "library": library.tolist(),
            "answers": {
                name: {"width": values[0].size, "data": values.ravel().tolist()}
                for name, values in answers.items()
            },
            "columns": {
                column.name: [
                    None
                    if np.isnan(value) or value < 0
                    else column.categories[value]
                    if column.categories
                    else float(value)
                    for value in found[column.name]
                ]
                for column in columns
            },
            "fate": nulled(found[FATE]) if FATE in found else None,
        }


def nulled(values: Any) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values.ravel()]
