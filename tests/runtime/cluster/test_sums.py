from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from cellport.runtime.cluster import sums
from cellport.runtime.cluster.dataset import GATHERED
from cellport.runtime.cluster.plan import Part
from cellport.runtime.cluster.sums import TOTAL, PartSums, read_state, write_state
from cellport.runtime.errors import OutputError
from cellport.runtime.mapping.gather.findings import Findings
from cellport.runtime.mapping.gather.gatherer import Gatherer
from cellport.runtime.mapping.gather.tally import Tally

N, SIZE = 70, 10
PARTS = [Part(i, 0, i * SIZE, (i + 1) * SIZE, 0, ".parquet") for i in range(N // SIZE)]


@pytest.fixture(scope="module")
def cells(made_up_cells: Callable[..., Any]) -> Any:
    return made_up_cells(N)


def new(cells: Any) -> dict[str, Gatherer]:
    return {"findings": Findings(cells.schema, 15), "tally": Tally(cells.schema)}


def gathered(cells: Any, start: int, stop: int) -> dict[str, Gatherer]:
    found = new(cells)
    for one in found.values():
        one.add(cells.block(start, stop), cells.genes[0])
    return found


def write_all(folder: Path, cells: Any) -> None:
    for part in PARTS:
        write_state(folder, "key", part.number, gathered(cells, part.start, part.stop))


def files(folder: Path) -> set[str]:
    return set(os.listdir(folder / GATHERED))


def assert_whole(found: dict[str, Gatherer], cells: Any) -> None:
    for name, whole in gathered(cells, 0, N).items():
        state = found[name].state()
        for key, array in whole.state().items():
            assert_array_equal(state[key], array, err_msg=f"{name}, {key}")


def test_a_part_is_read_as_it_was_written(tmp_path: Path, cells: Any) -> None:
    found = gathered(cells, 0, 10)
    write_state(tmp_path, "key", 0, found)
    state = read_state(tmp_path, "key", 0, ("findings", "tally"))
    assert state is not None
    for name, one in found.items():
        for key, array in one.state().items():
            assert_array_equal(state[f"{name}/{key}"], array)
    assert read_state(tmp_path, "key", 0, ("tally",)) is not None
    assert files(tmp_path) == {"part-00000.npz"}


def test_what_is_not_the_part_asked_for_is_not_taken(tmp_path: Path, cells: Any) -> None:
    write_state(tmp_path, "key", 0, gathered(cells, 0, 10))
    assert read_state(tmp_path, "other key", 0, ("tally",)) is None
    assert read_state(tmp_path, "key", 1, ("tally",)) is None
    assert read_state(tmp_path, "key", 0, ("tally", "lineages")) is None
    assert read_state(tmp_path, "key", 1, ()) == {}


@pytest.mark.parametrize("damage", ["cut", "empty", "no zip", "a flipped byte", "a folder"])
def test_damaged_sums_are_not_taken(tmp_path: Path, cells: Any, damage: str) -> None:
    write_state(tmp_path, "key", 0, gathered(cells, 0, 10))
    (path,) = (tmp_path / GATHERED).iterdir()
    whole = path.read_bytes()
    at = whole.index(b"findings/prob_bins") + 300
    flipped = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
    path.unlink()
    if damage == "a folder":
        path.mkdir()
    else:
        path.write_bytes(
            {"cut": whole[:-99], "empty": b"", "no zip": b"x" * 99, "a flipped byte": flipped}[
                damage
            ]
        )
    assert read_state(tmp_path, "key", 0, ("tally",)) is None


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), apart=st.integers(1, 9))
def test_parts_add_up_however_often_it_is_begun_again(
    data: st.DataObject, apart: int, cells: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("sums")
    write_all(folder, cells)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sums, "_APART", apart)
        for _ in range(data.draw(st.integers(0, 3))):
            begun = PartSums(folder, "key", new(cells))
            for part in data.draw(st.lists(st.sampled_from(PARTS), max_size=5)):
                begun.add(part)
            if data.draw(st.booleans()):
                begun.save()
        found = new(cells)
        last = PartSums(folder, "key", found)
        for part in data.draw(st.permutations(PARTS)):
            last.add(part)
        last.save()
    assert_whole(found, cells)
    assert last.parts == set(range(len(PARTS)))
    assert files(folder) == {f"{TOTAL}.npz"}
    again = new(cells)
    assert PartSums(folder, "key", again).parts == last.parts
    assert_whole(again, cells)


def test_what_was_added_up_is_not_added_again(tmp_path: Path, cells: Any) -> None:
    """Killed between writing the sum and removing the part."""
    write_all(tmp_path, cells)
    part = tmp_path / GATHERED / "part-00002.npz"
    left = part.read_bytes()
    first = PartSums(tmp_path, "key", new(cells))
    first.add(PARTS[2])
    first.save()
    part.write_bytes(left)
    found = new(cells)
    resumed = PartSums(tmp_path, "key", found)
    assert resumed.parts == {2}
    for one in (*PARTS, *PARTS):
        resumed.add(one)
    assert_whole(found, cells)


def test_other_sums_begin_anew(tmp_path: Path, cells: Any) -> None:
    write_all(tmp_path, cells)
    first = PartSums(tmp_path, "key", new(cells))
    for part in PARTS[:3]:
        first.add(part)
    first.save()
    fewer = {"tally": Tally(cells.schema)}
    assert PartSums(tmp_path, "key", fewer).parts == {0, 1, 2}
    assert fewer["tally"].n_cells == 30
    assert PartSums(tmp_path, "key", new(cells) | {"more": Tally(cells.schema)}).parts == set()
    assert PartSums(tmp_path, "another key", new(cells)).parts == set()


def test_nothing_to_sum_needs_nothing(tmp_path: Path) -> None:
    nothing = PartSums(tmp_path, "key", {})
    nothing.add(PARTS[0])
    nothing.save()
    assert os.listdir(tmp_path) == []


def test_sums_that_are_not_to_be_seen(tmp_path: Path, cells: Any) -> None:
    begun = PartSums(tmp_path, "key", new(cells))
    with pytest.raises(OutputError, match=r"part-00001\.npz', which a worker wrote, is not to be"):
        begun.add(PARTS[1])
    assert begun.parts == set()


def test_a_total_is_small_whatever_the_number_of_parts(tmp_path: Path, cells: Any) -> None:
    write_all(tmp_path, cells)
    found = PartSums(tmp_path, "key", new(cells))
    found.add(PARTS[0])
    found.save()
    before = (tmp_path / GATHERED / f"{TOTAL}.npz").stat().st_size
    for part in PARTS[1:]:
        found.add(part)
    found.save()
    # of the cells kept, fifteen; and the numbers of the parts
    grown = (tmp_path / GATHERED / f"{TOTAL}.npz").stat().st_size - before
    assert grown < 15 * 32 + 8 * len(PARTS)
    assert np.load(tmp_path / GATHERED / f"{TOTAL}.npz")["parts"].tolist() == list(range(7))
