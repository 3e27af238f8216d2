"""The folder that a mapping on a cluster fills: parts and a manifest.

Names that begin with ``_`` or ``.`` are left out by whatever reads a folder of Parquet files.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.base.files import check_no_input, check_place, plain_errors, whole_file
from cellport.runtime.cluster.plan import Part, Plan
from cellport.runtime.errors import OutputError
from cellport.runtime.writers.output import FORMATS

MANIFEST = "_manifest.json"
# folder of what gatherers found in the parts
GATHERED = "_gathered"
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Written:
    """A part that is on disk."""

    part: Part
    sha256: str
    size: int  # bytes
    tally: dict[str, NDArray[Any]]  # state of the Tally of its cells
    device: str  # that mapped it: cpu or cuda
    onnxruntime: str  # version
    kept: bool  # it was there before


def check_folder(out: str | os.PathLike[str], inputs: Sequence[str]) -> Path:
    """Return the absolute path of a folder that can take the dataset, made if it is not there.

    Raises
    ------
    OutputError
        It cannot.
    """
    folder = Path(os.path.realpath(out))
    if folder.name.lower().endswith(tuple(form for form in FORMATS if form != ".parquet")):
        raise OutputError(
            f"On a cluster the output is a folder of files; '{out}' is named like a file."
        )
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"The output '{out}' is a file; on a cluster it is a folder.")
    if folder.is_dir():
        check_no_input(out, inputs)
    else:
        check_place(out, folder=True)
    with plain_errors(out):
        folder.mkdir(exist_ok=True)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"The folder '{out}' is not writable.")
    return folder


def begin(folder: Path, plan: Plan) -> dict[str, str]:
    """Make sure that a folder is empty or holds an unfinished or finished run of this very plan.

    Returned are the SHA-256 of the parts that a finished run wrote, by file name.

    Raises
    ------
    OutputError
        It holds something else; the message says what differs.
    """
    there = read_manifest(folder)
    if there is not None and there.get("key") != plan.key:
        raise OutputError(
            f"'{folder}' holds the results of another mapping ({_difference(there, plan)}); give "
            "an empty folder, or the same atlas, options and queries to go on with that one."
        )
    known = {MANIFEST, GATHERED, *(part.file for part in plan.parts())} if there else set()
    strange = sorted(
        name for name in os.listdir(folder) if name not in known and not name.startswith(".")
    )
    if strange:
        raise OutputError(
            f"'{folder}' holds '{strange[0]}', which is no part of this mapping; give an empty "
            "folder."
        )
    if there is None:
        write_manifest(folder, plan, None, None)
        return {}
    parts: list[dict[str, Any]] = there["parts"] if there.get("complete") else []
    return {part["file"]: part["sha256"] for part in parts}


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Read the manifest; None where there is none.

    Raises
    ------
    OutputError
        It is damaged.
    """
    try:
        text: Any = json.loads((folder / MANIFEST).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise OutputError(
            f"'{folder / MANIFEST}' cannot be read ({error}); give an empty folder."
        ) from None
    if not isinstance(text, dict) or text.get("format") != FORMAT:
        raise OutputError(f"'{folder / MANIFEST}' is of no known format; give an empty folder.")
    return text


def write_manifest(
    folder: Path, plan: Plan, written: Sequence[Written] | None, uns: dict[str, Any] | None
) -> None:
    """Write the manifest in one step: at the start without, at the end with what was written."""
    done = {one.part.file: one for one in written or ()}
    manifest = {
        "format": FORMAT,
        "complete": written is not None,
        "key": plan.key,
        "n_cells": plan.n_cells,
        **asdict(plan),
        "parts": [_line(plan, part, done.get(part.file)) for part in plan.parts()],
        "uns": uns or {},
    }
    text = json.dumps(manifest, indent=1, allow_nan=False)
    with whole_file(folder / MANIFEST, text.encode()):
        pass


def _line(plan: Plan, part: Part, written: Written | None) -> dict[str, Any]:
    line = {
        "file": part.file,
        "query": plan.queries[part.query].path,
        "start": part.start,
        "stop": part.stop,
    }
    if written is not None:
        line |= {"rows": part.n_cells, "size": written.size, "sha256": written.sha256}
    return line


def _difference(there: dict[str, Any], plan: Plan) -> str:
    own = json.loads(json.dumps(asdict(plan)))
    words = {
        "atlas_sha256": "another atlas",
        "cellport": "another version of cellport",
        "options": "other options",
        "part_cells": "parts of another size",
        "ending": "parts with or without counts",
        "queries": "other or changed queries",
        "atlas": "another atlas",
    }
    return next(said for name, said in words.items() if there.get(name) != own[name])


def facts_of_part(
    key: str, part: Part, tally: dict[str, NDArray[Any]], device: str, onnxruntime: str
) -> dict[str, Any]:
    """Return ``uns`` of a part: JSON text, which every format keeps as it is."""
    said = {
        "plan": key,
        **asdict(part),
        "tally": {name: total.tolist() for name, total in tally.items()},
        "device": device,
        "onnxruntime": onnxruntime,
    }
    return {"cellport": {"part": json.dumps(said)}}


def read_part(folder: Path, key: str, part: Part, sha256: str | None) -> Written | None:
    """Return a part that is there and right; None when it has to be written.

    It is right when it says that it is this part of the plan of that key, and hashes to `sha256`
    where that is known.
    """
    path = folder / part.file
    try:
        n_cells, said = _read_facts(path)
        found = digest(path)
    except (OSError, KeyError, TypeError, ValueError):
        return None
    same = {**asdict(part), "plan": key}
    if n_cells != part.n_cells or not same.items() <= said.items() or sha256 not in (None, found):
        return None
    size = path.stat().st_size
    tally = {name: np.array(total, np.int64) for name, total in said["tally"].items()}
    return Written(part, found, size, tally, said["device"], said["onnxruntime"], kept=True)


def _read_facts(path: Path) -> tuple[int, dict[str, Any]]:
    """Cells of a part, and what it says of itself."""
    if path.suffix == ".h5ad":
        import h5py

        with h5py.File(path) as file:
            said: dict[str, Any] = json.loads(file["uns/cellport/part"].asstr()[()])
            return len(file["obs/_index"]), said
    import pyarrow.parquet

    # what Arrow raises for a file that is none is a ValueError
    metadata = pyarrow.parquet.read_metadata(path)
    uns = json.loads(metadata.metadata[b"cellport"])
    return metadata.num_rows, json.loads(uns["cellport"]["part"])


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
