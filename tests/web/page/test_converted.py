"""The page maps with atlases of other tools' models as Python does."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anndata
import numpy as np

from cellport.runtime.mapping.atlas import Atlas, load_atlas
from cellport.web.server.site import manifest_bytes

MODELS = (
    "celltypist_duplicates",
    "celltypist_two",
    "celltypist_no_mean",
    "scvi_default",
    "scvi_not_log",
    "scanvi_default",
    "scanvi_ln",
    "scpoli_default",
    "scimilarity",
)


def test_converted_atlases_on_the_page(
    converted: Callable[[str], Path],
    foreign_query: Path,
    compute_again: Callable[..., None],
    tmp_path: Path,
) -> None:
    shutil.copy(foreign_query, tmp_path)
    whole = anndata.read_h5ad(foreign_query)
    whole[:, ::3].write_h5ad(tmp_path / "fewer_genes.h5ad")
    cases = [case for name in MODELS for case in _cases(converted(name), tmp_path)]
    assert {name for case in cases for name in case["columns"]} >= {
        "cellport_prob",
        "cellport_distance",
    }
    (tmp_path / "converted.json").write_text(json.dumps(cases))
    compute_again(tmp_path, "same_converted")


def _cases(path: Path, folder: Path) -> Iterator[dict[str, Any]]:
    atlas = load_atlas(path)
    _write_parts(atlas, folder / path.stem)
    for file in ("query.h5ad", "fewer_genes.h5ad"):
        stream = atlas.stream(folder / file)
        blocks = list(stream.blocks)
        columns = {}
        for column in stream.schema.columns:
            values = np.concatenate([block.obs[column.name] for block in blocks])
            if column.kind == "category":
                values = np.array([*column.categories, ""], object)[values]
            columns[column.name] = _nulled(values)
        yield {
            "atlas": path.stem,
            "file": file,
            "columns": columns,
            "matrices": {
                key: _nulled(np.concatenate([block.obsm[key] for block in blocks]).ravel())
                for key in stream.schema.obsm
            },
            "notes": [note.replace(f"{folder}/", "") for note in stream.facts.notes],
        }


def _nulled(values: Any) -> list[Any]:
    return [None if value != value else value for value in values.tolist()]


def _write_parts(atlas: Atlas, folder: Path) -> None:
    (folder / "arrays").mkdir(parents=True)
    (folder / "manifest.json").write_bytes(manifest_bytes(atlas.file))
    for name in atlas.file.members:
        (folder / name).write_bytes(atlas.file.read(name))
