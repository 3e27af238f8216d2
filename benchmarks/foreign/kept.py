"""How a fixture lies: the package's own files, ``answers.npz`` and ``meta.json`` in a folder."""

from __future__ import annotations

import json
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np


class Fixture:
    """A folder for one model: answers are added to it case by case, and written at the end."""

    def __init__(self, folder: Path, kind: str, packages: str, **facts: Any) -> None:
        self.folder = folder
        self.meta: dict[str, Any] = {"kind": kind}
        self.meta["packages"] = {name: version(name) for name in packages.split()}
        self.meta |= facts
        self.cases: dict[str, Any] = {}
        self.arrays: dict[str, Any] = {}
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)

    def add(self, case: str, asked: dict[str, Any], **answers: Any) -> None:
        """Keep the answers of a case, ``ANSWER.CASE``, and what was asked."""
        self.cases[case] = asked
        for name, values in answers.items():
            values = np.asarray(values)
            if values.dtype == object:
                values = values.astype(str)
            self.arrays[f"{name}.{case}"] = values

    def write(self) -> None:
        """Write answers and facts."""
        if self.arrays:
            np.savez_compressed(self.folder / "answers.npz", **self.arrays)
        text = json.dumps(self.meta | {"cases": self.cases}, indent=1)
        (self.folder / "meta.json").write_text(text + "\n")
        print(self.folder.name, flush=True)
