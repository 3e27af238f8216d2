"""What an atlas cannot do is said by its name, and what breaks while mapping by the cells."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cellport.runtime.atlas.session import _silent_stderr
from cellport.runtime.base.files import check_folder
from cellport.runtime.errors import CellportError, InputError, OutputError
from cellport.runtime.mapping.atlas import load_atlas
from cellport.runtime.mapping.consensus import encoder
from cellport.runtime.outlook import panel_outlook


def test_what_a_converted_atlas_lacks(
    converted: Callable[[str], Path], foreign_query: Path
) -> None:
    classifier = load_atlas(converted("celltypist_two"))
    latent = np.zeros((1, classifier.manifest.n_latent), np.float32)
    with pytest.raises(InputError, match="has no decoder"):
        classifier.decode(latent)
    prototypes = load_atlas(converted("scpoli_default"))
    with pytest.raises(InputError, match="gives no probabilities that add up to 1"):
        load_atlas(converted("scanvi_default")).map(foreign_query, also=str(prototypes.file.path))


def test_genes_that_an_atlas_does_not_read(tiny_atlas_path: Path) -> None:
    with pytest.raises(InputError, match="Only 0 of the atlas's 100 genes are in the list"):
        panel_outlook(load_atlas(tiny_atlas_path), ["ALBATROSS", "DODO"])


def test_what_breaks_while_mapping_names_the_cells(
    tiny_atlas_path: Path, tiny_cells: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    atlas = load_atlas(tiny_atlas_path)

    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("no memory for this\nand more")

    monkeypatch.setattr(encoder, "encode_block", broken)
    with pytest.raises(CellportError, match=r"could not be mapped: RuntimeError: no memory for"):
        atlas.map(tiny_cells.adata())


def test_a_process_without_an_error_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(_: int) -> int:
        raise OSError(9, "Bad file descriptor")

    monkeypatch.setattr(os, "dup", closed)
    ran = False
    with _silent_stderr():
        ran = True
    assert ran


def test_a_folder_that_may_not_be_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "results"
    place.mkdir()
    check_folder(place)
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != str(place) and access(path, mode))
    with pytest.raises(OutputError, match="results' is not writable"):
        check_folder(str(place))
