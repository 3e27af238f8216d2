from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellport.runtime.cluster.plan import (
    Plan,
    QueryPlan,
    Stamp,
    absolute,
    deciding_options,
    stamp,
)
from cellport.runtime.errors import InputError
from cellport.runtime.mapping.options import MapOptions
from cellport.runtime.mapping.query import Decided, QueryFacts


def query(n_cells: int, seekable: bool = True, **changes: Any) -> QueryPlan:
    facts = QueryFacts("a.h5ad, X", n_cells, (), {"n_matched": 3})
    return replace(QueryPlan("/a.h5ad", Stamp(1, 2, 1), "X", seekable, facts, Decided()), **changes)


def plan(*queries: QueryPlan, **changes: Any) -> Plan:
    how = deciding_options(MapOptions())
    made = Plan("lung", "f" * 64, "1.0", how, 10, ".parquet", queries)
    return replace(made, **changes)


@given(
    sizes=st.lists(st.tuples(st.integers(1, 50), st.booleans()), min_size=1, max_size=5),
    part_cells=st.integers(1, 60),
)
def test_every_cell_is_in_exactly_one_part(sizes: list[tuple[int, bool]], part_cells: int) -> None:
    whole = plan(*(query(n, seekable) for n, seekable in sizes), part_cells=part_cells)
    parts = list(whole.parts())
    assert [part.number for part in parts] == list(range(len(parts)))
    cells = [(part.query, cell) for part in parts for cell in range(part.start, part.stop)]
    assert cells == [(i, cell) for i, (n, _) in enumerate(sizes) for cell in range(n)]
    assert len({part.file for part in parts}) == len(parts)
    # and says where it stands among the cells of all queries
    ends = [(part.offset + part.start, part.offset + part.stop) for part in parts]
    assert [first for first, _ in ends] == [0, *(last for _, last in ends[:-1])]
    assert sum(part.n_cells for part in parts) == whole.n_cells == ends[-1][1]
    for part in parts:
        if sizes[part.query][1]:
            assert part.n_cells <= part_cells
        else:
            assert (part.start, part.stop) == (0, sizes[part.query][0])


def test_files_of_parts_sort_as_their_cells() -> None:
    files = [part.file for part in plan(query(120), part_cells=1).parts()]
    assert files == sorted(files)
    assert files[0] == "part-00000.parquet"


@pytest.mark.parametrize(
    "other",
    [
        plan(query(20), atlas_sha256="e" * 64),
        plan(query(20), cellport="1.1"),
        plan(query(20), options=deciding_options(MapOptions(neighbors=2))),
        plan(query(20), part_cells=11),
        plan(query(20), ending=".h5ad"),
        plan(query(20), query(20)),
        plan(query(20, stamp=Stamp(1, 3, 1))),
        plan(query(20, layer="counts")),
        plan(query(21)),
        plan(query(20, path="/b.h5ad")),
    ],
)
def test_the_key_changes_with_everything_that_decides(other: Plan) -> None:
    assert other.key != plan(query(20)).key
    assert plan(query(20)).key == plan(query(20)).key


def test_threads_and_blocks_decide_nothing() -> None:
    fast = MapOptions(threads=8, block_cells=100, keep_counts=True)
    assert deciding_options(fast) == deciding_options(MapOptions())


def test_a_stamp_changes_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"1234")
    before = stamp(str(path))
    assert before == Stamp(4, path.stat().st_mtime_ns, 1)
    path.write_bytes(b"12345")
    assert stamp(str(path)).size == 5
    path.write_bytes(b"4321")
    os.utime(path, ns=(0, before.mtime_ns + 1))
    assert stamp(str(path)) != before


def test_a_stamp_of_a_folder_sees_everything_in_it(tmp_path: Path) -> None:
    (tmp_path / "X").mkdir()
    chunk = tmp_path / "X" / "0"
    chunk.write_bytes(b"1234")
    for path in (chunk, tmp_path / "X", tmp_path):
        os.utime(path, ns=(0, 1000))
    assert stamp(str(tmp_path)) == Stamp(4, 1000, 1)
    chunk.write_bytes(b"123")
    assert stamp(str(tmp_path)).size == 3
    os.utime(chunk, ns=(0, 1000))
    chunk.rename(chunk.with_name("1"))
    assert stamp(str(tmp_path)).mtime_ns > 1000


def test_no_stamp_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.h5ad cannot be read: No such file"):
        stamp(str(tmp_path / "none.h5ad"))


def test_only_paths_travel(tiny_cells: Any) -> None:
    assert absolute("a.h5ad") == str(Path.cwd() / "a.h5ad")
    with pytest.raises(InputError, match="type AnnData cannot be mapped on a cluster"):
        absolute(tiny_cells.adata())
