"""What gatherers found in the parts of a dataset, added up on disk as the parts come."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.base.files import whole_file
from cellport.runtime.cluster.dataset import GATHERED
from cellport.runtime.cluster.plan import Part
from cellport.runtime.errors import OutputError
from cellport.runtime.mapping.gather.gatherer import Gatherer

# what so many parts found lies on disk beside what was added up: some megabytes each
_APART = 16
_KEY = "key"
TOTAL = "total"

State = dict[str, NDArray[Any]]


def write_state(
    folder: Path,
    key: str,
    number: int | str,
    gathered: Mapping[str, Gatherer],
    parts: Sequence[int] = (),
) -> None:
    """Write what was found in the part of that number, or as `TOTAL` in all of these parts.

    The key is that of the plan. The file appears in one step.

    Raises
    ------
    OutputError
        The disk is full or fails.
    """
    state: State = {_KEY: np.array(key), "parts": np.array(parts, np.int64)}
    for name, gatherer in gathered.items():
        state |= {f"{name}/{part}": array for part, array in gatherer.state().items()}
    path, data = _path(folder, number), io.BytesIO()
    path.parent.mkdir(exist_ok=True)
    np.savez(data, allow_pickle=False, **state)
    with whole_file(path, data.getvalue()):
        pass


def read_state(folder: Path, key: str, number: int | str, names: tuple[str, ...]) -> State | None:
    """Read what `write_state` wrote; None where that is not there.

    What the gatherers of these names found has to be in it. With no names, nothing has to be there.
    """
    if not names:
        return {}
    try:
        data = io.BytesIO(_path(folder, number).read_bytes())
        with np.load(data, allow_pickle=False) as file:
            state = dict(file)
    except (OSError, EOFError, ValueError, zipfile.BadZipFile):
        return None
    there = {name.partition("/")[0] for name in state}
    return state if str(state.get(_KEY)) == key and there.issuperset(names) else None


class PartSums:
    """Adds to gatherers what parts found, and remembers on disk which parts it has, by number."""

    def __init__(self, folder: Path, key: str, gathered: dict[str, Gatherer]) -> None:
        self._folder, self._key, self._gathered = folder, key, gathered
        self.names = tuple(gathered)
        self._new: list[int] = []
        total = read_state(folder, key, TOTAL, (*self.names, "parts"))
        self.parts: set[int] = set() if total is None else set(total["parts"].tolist())
        if total is not None:
            self._absorb(total)

    def add(self, part: Part) -> None:
        """Add what a part found.

        Raises
        ------
        OutputError
            It is not to be seen here.
        """
        if part.number in self.parts or not self._gathered:
            return
        state = read_state(self._folder, self._key, part.number, self.names)
        if state is None:
            raise OutputError(
                f"'{_path(self._folder, part.number)}', which a worker wrote, is not to be seen "
                "here; the output must lie where every worker writes to the same disk."
            )
        self._absorb(state)
        self.parts.add(part.number)
        self._new.append(part.number)
        if len(self._new) >= _APART:
            self.save()

    def save(self) -> None:
        """Write what was added up, and forget the parts by themselves."""
        if not self._new:
            return
        write_state(self._folder, self._key, TOTAL, self._gathered, sorted(self.parts))
        for number in self._new:
            _path(self._folder, number).unlink(missing_ok=True)
        self._new.clear()

    def _absorb(self, state: State) -> None:
        for name, gatherer in self._gathered.items():
            start = f"{name}/"
            gatherer.absorb(
                {key.removeprefix(start): a for key, a in state.items() if key.startswith(start)}
            )


def _path(folder: Path, number: int | str) -> Path:
    name = number if isinstance(number, str) else f"part-{number:05d}"
    return folder / GATHERED / f"{name}.npz"
