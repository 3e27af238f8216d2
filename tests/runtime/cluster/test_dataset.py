from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cellport.runtime.base.files import sweep
from cellport.runtime.cluster.dataset import (
    GATHERED,
    MANIFEST,
    Written,
    begin,
    check_folder,
    digest,
    facts_of_part,
    read_manifest,
    read_part,
    write_manifest,
)
from cellport.runtime.cluster.plan import Part, Plan, QueryPlan, Stamp
from cellport.runtime.columns import Column, MappedBlock, Schema
from cellport.runtime.errors import OutputError
from cellport.runtime.mapping.query import Decided, QueryFacts
from cellport.runtime.writers import open_writer

QUERY = QueryPlan("/a.h5ad", Stamp(1, 2, 1), "X", True, QueryFacts("a, X", 7, (), {}), Decided())
PLAN = Plan("lung", "f" * 64, "1.0", {"layer": None}, 4, ".parquet", (QUERY,))
TALLY = {"cells": np.array([4]), "calls": np.array([2, 2, 0])}


def write_part(folder: Path, part: Part, key: str = PLAN.key) -> None:
    n = part.n_cells
    names = np.array([str(cell) for cell in range(part.start, part.stop)], object)
    schema = Schema((Column("prob", "float"),), {})
    with open_writer(folder / part.file, schema, n) as writer:
        writer.write(MappedBlock(0, names, {"prob": np.ones(n, np.float32)}, {}))
        writer.close(facts_of_part(key, part, TALLY, "cpu", "1.20"))


def finish(folder: Path) -> list[Written]:
    begin(folder, PLAN)
    written = []
    for part in PLAN.parts():
        write_part(folder, part)
        found = read_part(folder, PLAN.key, part, None)
        assert found is not None
        written.append(found)
    write_manifest(folder, PLAN, written, {"cellport": {"atlas": "lung"}})
    return written


@pytest.mark.parametrize("ending", [".parquet", ".h5ad"])
def test_a_part_is_known_again_with_what_is_in_it(tmp_path: Path, ending: str) -> None:
    part = next(replace(PLAN, ending=ending).parts())
    assert read_part(tmp_path, PLAN.key, part, None) is None
    write_part(tmp_path, part)
    path = tmp_path / part.file
    sha256, size = digest(path), path.stat().st_size
    for known in (None, sha256):
        found = read_part(tmp_path, PLAN.key, part, known)
        assert found is not None
        assert replace(found, tally={}) == Written(part, sha256, size, {}, "cpu", "1.20", kept=True)
        assert {name: total.tolist() for name, total in found.tally.items()} == {
            "cells": [4],
            "calls": [2, 2, 0],
        }
        assert {total.dtype for total in found.tally.values()} == {np.dtype(np.int64)}


def test_another_part_is_not_taken_for_it(tmp_path: Path) -> None:
    part = next(PLAN.parts())
    write_part(tmp_path, part)
    assert read_part(tmp_path, "other key", part, None) is None
    assert read_part(tmp_path, PLAN.key, replace(part, query=1), None) is None
    assert read_part(tmp_path, PLAN.key, replace(part, offset=9), None) is None
    assert read_part(tmp_path, PLAN.key, replace(part, start=1, stop=5), None) is None
    assert read_part(tmp_path, PLAN.key, part, "0" * 64) is None


@pytest.mark.parametrize("damage", ["cut", "empty", "not Parquet", "no metadata"])
def test_a_damaged_part_is_not_taken(tmp_path: Path, damage: str) -> None:
    part = next(PLAN.parts())
    write_part(tmp_path, part)
    path = tmp_path / part.file
    if damage == "no metadata":
        import pandas

        pandas.DataFrame({"cell": ["a"] * 4}).to_parquet(path)
    else:
        whole = path.read_bytes()
        path.write_bytes({"cut": whole[:-9], "empty": b"", "not Parquet": b"x" * 99}[damage])
    assert read_part(tmp_path, PLAN.key, part, None) is None


def test_the_manifest_lists_every_range_once(tmp_path: Path) -> None:
    assert read_manifest(tmp_path) is None
    assert begin(tmp_path, PLAN) == {}
    before = read_manifest(tmp_path)
    assert before is not None
    assert before["complete"] is False
    assert begin(tmp_path, PLAN) == {}
    finish(tmp_path)
    after = json.loads((tmp_path / MANIFEST).read_text())
    assert after["complete"] is True
    assert after["uns"]["cellport"]["atlas"] == "lung"
    assert (after["atlas"], after["atlas_sha256"], after["n_cells"]) == ("lung", "f" * 64, 7)
    assert [(p["query"], p["start"], p["stop"], p["rows"]) for p in after["parts"]] == [
        ("/a.h5ad", 0, 4, 4),
        ("/a.h5ad", 4, 7, 3),
    ]
    assert begin(tmp_path, PLAN) == {p.file: digest(tmp_path / p.file) for p in PLAN.parts()}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"atlas_sha256": "e" * 64}, "another atlas"),
        ({"options": {"layer": "counts"}}, "other options"),
        ({"queries": (replace(QUERY, stamp=Stamp(1, 3, 1)),)}, "other or changed queries"),
        ({"part_cells": 5}, "parts of another size"),
        ({"ending": ".h5ad"}, "parts with or without counts"),
        ({"cellport": "1.1"}, "another version of cellport"),
    ],
)
def test_another_mapping_in_the_folder_is_refused(
    tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    finish(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(OutputError, match=rf"results of another mapping \({words}\)"):
        begin(tmp_path, replace(PLAN, **change))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_other_files_in_the_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"holds 'notes\.txt', which is no part"):
        begin(tmp_path, PLAN)
    (tmp_path / "notes.txt").unlink()
    finish(tmp_path)
    (tmp_path / "part-00009.parquet").write_text("whose?")
    with pytest.raises(OutputError, match=r"holds 'part-00009\.parquet'"):
        begin(tmp_path, PLAN)


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 2}'])
def test_a_strange_manifest_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(OutputError, match="give an empty folder"):
        begin(tmp_path, PLAN)


def test_pandas_reads_the_folder_whatever_else_lies_there(tmp_path: Path) -> None:
    import pandas

    finish(tmp_path)
    (tmp_path / ".part-00001.parquet.0a0b0c0d.part").write_bytes(b"half")
    (tmp_path / GATHERED).mkdir()
    (tmp_path / GATHERED / "total.npz").write_bytes(b"whole")
    (tmp_path / GATHERED / ".part-00001.npz.0a0b0c0d.part").write_bytes(b"half")
    table = pandas.read_parquet(tmp_path)
    assert table["cell"].tolist() == [str(cell) for cell in range(7)]
    sweep(tmp_path)
    sweep(tmp_path / GATHERED)
    files = [p.file for p in PLAN.parts()]
    assert sorted(os.listdir(tmp_path)) == [GATHERED, MANIFEST, *files]
    assert os.listdir(tmp_path / GATHERED) == ["total.npz"]
    assert begin(tmp_path, PLAN).keys() == set(files)


def test_what_cannot_be_the_folder(tmp_path: Path) -> None:
    assert check_folder(tmp_path / "out", []) == tmp_path / "out"
    assert (tmp_path / "out").is_dir()
    (tmp_path / "file").touch()
    for name, words in (
        ("file", "is a file; on a cluster it is a folder"),
        ("out.h5ad", "named like a file"),
        ("none/out", "does not exist; make it first"),
    ):
        with pytest.raises(OutputError, match=words):
            check_folder(tmp_path / name, [])
    with pytest.raises(OutputError, match="is also an input"):
        check_folder(tmp_path, [str(tmp_path)])
