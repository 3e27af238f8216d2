"""Colours of calls: those of reports, where scanpy looks for them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cellport.runtime.columns import Column, Schema
from cellport.runtime.mapping.atlas import Atlas, load_atlas
from cellport.runtime.mapping.colours import (
    LIKE,
    OF_CALLS,
    OTHERS,
    UNKNOWN_COLOUR,
    UNLIKE,
    call_colours,
    column_colours,
)

ROOT = Path(__file__).resolve().parents[3]


def test_colours_are_those_of_the_style_sheet() -> None:
    light = (ROOT / "runtime" / "report" / "style.css").read_text().partition("@media")[0]
    stated = dict(re.findall(r"--(k\w|new|ref):(#\w{6});", light))
    expected = {f"k{at}": colour for at, colour in enumerate(OF_CALLS)}
    others = {"kx": OTHERS, "ku": UNKNOWN_COLOUR, "new": UNLIKE, "ref": LIKE}
    assert stated == expected | others


@given(st.lists(st.integers(0, 50), min_size=1, max_size=20))
def test_no_two_of_the_largest_share_a_colour(cells: list[int]) -> None:
    names = [f"type {at}" for at in range(len(cells))]
    found = call_colours({**dict(zip(names, cells, strict=True)), "unknown": 7}, names)
    largest = sorted(names, key=lambda name: -cells[names.index(name)])[: len(OF_CALLS)]
    assert [found[name] for name in largest] == list(OF_CALLS[: len(largest)])
    assert {found[name] for name in names if name not in largest} <= {OTHERS}
    assert found["unknown"] == UNKNOWN_COLOUR


def test_a_label_has_the_colour_of_the_call_of_its_name() -> None:
    labels, calls = ("a", "b"), ("a", "b", "broad", "unknown")
    schema = Schema(
        (
            Column("cellport_label", "category", labels),
            Column("cellport_call", "category", calls),
            Column("cellport_novel", "bool"),
        )
    )
    assert column_colours(schema, [1, 5, 3, 9]) == {
        "cellport_label_colors": [OF_CALLS[2], OF_CALLS[0]],
        "cellport_call_colors": [OF_CALLS[2], OF_CALLS[0], OF_CALLS[1], UNKNOWN_COLOUR],
        "cellport_novel_colors": [LIKE, UNLIKE],
    }


def test_files_and_python_say_the_same(
    tiny_atlas_path: Path, tiny_cells: Any, tmp_path: Path
) -> None:
    import anndata

    from cellport.runtime.map_files import map_files

    atlas: Atlas = load_atlas(tiny_atlas_path)
    adata = tiny_cells.adata()
    adata.obsm["X_umap"] = adata.X[:, :2].toarray()
    map_files(atlas, adata, tmp_path / "mapped.h5ad")
    mapping = atlas.map(adata)
    mapping.write(tmp_path / "written.h5ad")
    files = [anndata.read_h5ad(tmp_path / f"{name}.h5ad") for name in ("mapped", "written")]
    onto = mapping.to_anndata(adata.copy())
    for name in ("cellport_label_colors", "cellport_call_colors"):
        found = {tuple(one.uns[name]) for one in [*files, onto]}
        assert len(found) == 1
        column = onto.obs[name.removesuffix("_colors")]
        assert len(next(iter(found))) == len(column.cat.categories)
    # what the query has of its own stays
    assert (onto.obsm["X_umap"] == adata.obsm["X_umap"]).all()
