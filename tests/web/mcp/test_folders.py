"""Nothing outside the folders is opened, by whatever way it is named."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import h5py
import pytest

from cellport.runtime.errors import CellportError, InputError, OutputError
from cellport.web.mcp.folders import Folders, open_folders


@pytest.fixture
def folders(folder: Path, out: Path, cells: Path) -> Folders:
    outside = folder.parent / "outside"
    outside.mkdir()
    (outside / "secret.h5ad").write_bytes(cells.read_bytes())
    return open_folders([folder], out)


def test_files_are_found_by_name_and_by_path(folders: Folders, folder: Path, out: Path) -> None:
    path = folder / "cells.h5ad"
    (folder / "deep").mkdir()
    (folder / "link.h5ad").symlink_to(path)
    (out / "mapped.csv").write_text("cell\n")
    assert folders.file("cells.h5ad") == folders.file(str(path)) == path
    assert folders.file("deep/../cells.h5ad") == folders.file("link.h5ad") == path
    assert folders.file("mapped.csv") == out / "mapped.csv"


@pytest.mark.parametrize(
    "given",
    [
        "../outside/secret.h5ad", "/etc/passwd", "deep/../../outside/secret.h5ad", "/", "..",
        "../inside-too/x", "way", "way/secret.h5ad", "file", "~/../../../etc/passwd",
        "http://127.0.0.1/x.h5ad", "file:///etc/passwd", "s3://bucket/x.h5ad",
        "", "a\0b", "a\nb", "x" * 5000, "/proc/self/root/etc/passwd", "/dev/stdin",
    ],
)  # fmt: skip
def test_what_lies_elsewhere_is_refused(given: str, folders: Folders, folder: Path) -> None:
    outside = folder.parent / "outside"
    (folder / "way").symlink_to(outside)
    (folder / "file").symlink_to(outside / "secret.h5ad")
    (folder.parent / "inside-too").mkdir()
    (folder.parent / "inside-too" / "x").write_text("x")
    with pytest.raises(InputError) as refused:
        folders.file(given)
    assert "\n" not in str(refused.value)
    # of what lies elsewhere it does not even say whether it is there
    missing = given.replace("secret", "missing")
    with pytest.raises(InputError) as absent:
        folders.file(missing)
    assert str(absent.value).replace("missing", "secret") == str(refused.value)


def test_a_folder_that_leads_elsewhere_is_refused(folders: Folders, folder: Path) -> None:
    outside = folder.parent / "outside"
    run = folder / "run"
    (run / "deep").mkdir(parents=True)
    assert folders.file("run") == run
    link = run / "deep" / "cells.h5ad"
    link.symlink_to(outside / "secret.h5ad")
    with pytest.raises(InputError, match=r"deep/cells\.h5ad lies, or leads by a link, outside"):
        folders.file("run")
    link.unlink()
    link.symlink_to(folder)
    with pytest.raises(InputError, match="is a link to a folder"):
        folders.file("run")


def test_names_beside_a_matrix_of_text_are_looked_at(folders: Folders, folder: Path) -> None:
    text = folder / "text"
    text.mkdir()
    (text / "matrix.mtx.gz").write_bytes(gzip.compress(b"%%MatrixMarket"))
    assert folders.file("text/matrix.mtx.gz").is_file()
    (text / "barcodes.tsv").symlink_to("/etc/passwd")
    with pytest.raises(InputError, match=r"barcodes\.tsv lies, or leads by a link, outside"):
        folders.file("text/matrix.mtx.gz")


@pytest.mark.parametrize("name", ["linked.h5ad", "linked.h5", "linked"])
@pytest.mark.parametrize("in_folder", [False, True])
def test_links_within_hdf5_are_refused(
    name: str, in_folder: bool, folders: Folders, folder: Path
) -> None:
    place = folder / "run" if in_folder else folder
    place.mkdir(exist_ok=True)
    with h5py.File(place / name, "w") as file:
        file["X"] = h5py.ExternalLink(str(folder.parent / "outside" / "secret.h5ad"), "/X")
    if in_folder and name == "linked":
        # nothing opens it there
        assert folders.file("run") == place
        return
    with pytest.raises(InputError, match="links to another file"):
        folders.file("run" if in_folder else name)


def test_atlases_are_those_known_and_here_or_in_the_folders(
    folders: Folders, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELLPORT_CACHE", str(folder.parent / "cache"))
    (folder / "own.cellport").write_bytes(b"PK")
    (folder / "far.cellport").symlink_to(folder.parent / "outside" / "secret.h5ad")
    assert folders.atlas("lung") == "lung"
    assert folders.atlas("own.cellport") == str(folder / "own.cellport")
    assert folders.atlases() == [folder / "own.cellport"]
    for given in ("celltypist:Immune_All_Low", "hf:owner/repo"):
        with pytest.raises(InputError, match=f"not here, and this server .* pull {given}"):
            folders.atlas(given)
        assert Folders(folders.readable, fetch=True).atlas(given) == given
    for given in ("https://x.org/a.cellport", "far.cellport", "../x.cellport", "hf:a/../b"):
        with pytest.raises(CellportError):
            folders.atlas(given)


@pytest.mark.parametrize(
    "name",
    [
        "../x.csv",
        "/tmp/x.csv",
        ".x.csv",
        "a/b.csv",
        "x.exe",
        "x",
        "",
        "a\nb.csv",
        "c:x.csv",
        ".csv",
    ],
)
def test_a_result_has_a_plain_name(name: str, folders: Folders) -> None:
    with pytest.raises(OutputError, match="is no name of a result"):
        folders.result(name)


def test_a_result_never_takes_the_place_of_another(folders: Folders, out: Path) -> None:
    assert folders.result("x.csv") == out / "x.csv"
    (out / "x.csv").symlink_to(out / "nowhere")
    with pytest.raises(OutputError, match="is there already"):
        folders.result("x.csv")
    with pytest.raises(OutputError, match="start it with --out"):
        Folders(folders.readable).result("y.csv")


def test_the_folders_have_to_be_there(folder: Path) -> None:
    for given in ([], [folder, folder / "none"], [folder / "cells.h5ad"]):
        with pytest.raises(InputError, match=r"folder"):
            open_folders(given)
    link = folder.parent / "link"
    os.symlink(folder, link)
    assert open_folders([link]).readable == (folder,)
