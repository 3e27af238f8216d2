from __future__ import annotations

import errno
import os
import time

import h5py
import numpy as np
import pytest

from cellport.runtime.errors import OutputError
from cellport.runtime.writers import FORMATS, check_output, open_writer
from cellport.runtime.writers.patient_file import PatientFile

every_format = pytest.mark.parametrize("form", FORMATS)
every_file = pytest.mark.parametrize("form", [form for form in FORMATS if form != ".zarr"])


def write_all(path, mapping, blocks, **options):
    with open_writer(path, mapping.schema, mapping.n_cells, **options) as writer:
        for block in blocks(3):
            writer.write(block)
        writer.close(mapping.uns)


def write_and_leave(writer, block, interruption):
    writer.write(block)
    raise interruption


@every_file
def test_nothing_is_seen_before_the_end(form, tmp_path, mapping, blocks):
    out = tmp_path / f"out{form}"
    out.write_text("what was there")
    with open_writer(out, mapping.schema, mapping.n_cells) as writer:
        for block in blocks(3):
            writer.write(block)
            assert out.read_text() == "what was there"
            (hidden,) = set(tmp_path.iterdir()) - {out}
            assert hidden.name.startswith(".")
            assert not hidden.name.endswith(form)
        writer.close(mapping.uns)
    assert list(tmp_path.iterdir()) == [out]
    assert out.read_bytes() != b"what was there"


def test_a_zarr_store_is_replaced_when_the_new_one_is_whole(tmp_path, mapping, blocks):
    import anndata

    out = tmp_path / "out.zarr"
    write_all(out, mapping, blocks)
    (out / "left over").touch()
    with open_writer(out, mapping.schema, mapping.n_cells) as writer:
        for block in blocks(2):
            writer.write(block)
            assert (out / "left over").exists()
            (hidden,) = set(tmp_path.iterdir()) - {out}
            assert hidden.name.startswith(".")
        writer.close(mapping.uns)
    assert list(tmp_path.iterdir()) == [out]
    assert not (out / "left over").exists()
    with pytest.warns(UserWarning, match="names are not unique"):
        found = anndata.read_zarr(out)
    assert found.obs_names.tolist() == mapping.cell_names.tolist()


def test_a_store_that_cannot_take_its_place_leaves_the_old_one(
    tmp_path, mapping, blocks, monkeypatch
):
    out = tmp_path / "out.zarr"
    write_all(out, mapping, blocks)
    (out / "of the old").touch()
    move, moves = os.replace, []

    def second_fails(source, target):
        moves.append(target)
        if len(moves) == 2:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        move(source, target)

    with open_writer(out, mapping.schema, mapping.n_cells) as writer:
        for block in blocks(7):
            writer.write(block)
        monkeypatch.setattr("cellport.runtime.writers.output.os.replace", second_fails)
        with pytest.raises(OutputError, match="disk reported"):
            writer.close(mapping.uns)
        monkeypatch.undo()
    assert list(tmp_path.iterdir()) == [out]
    assert (out / "of the old").exists()


def test_what_a_zarr_store_does_not_replace(tmp_path, mapping, blocks):
    out = tmp_path / "out.zarr"
    out.mkdir()
    (out / "mine").touch()
    with pytest.raises(OutputError, match="is no zarr store"):
        check_output(out)
    (tmp_path / "file.zarr").touch()
    with pytest.raises(OutputError, match="is no zarr store"):
        check_output(tmp_path / "file.zarr")
    write_all(tmp_path / "query.zarr", mapping, blocks)
    with pytest.raises(OutputError, match="also an input"):
        check_output(tmp_path / "query.zarr", inputs=[tmp_path / "query.zarr"])
    assert check_output(tmp_path / "query.zarr") == ".zarr"


@every_format
@pytest.mark.parametrize("interruption", [KeyboardInterrupt, ValueError])
def test_leaving_early_leaves_nothing(form, interruption, tmp_path, mapping, blocks):
    with (
        pytest.raises(interruption),
        open_writer(tmp_path / f"out{form}", mapping.schema, mapping.n_cells) as writer,
    ):
        write_and_leave(writer, next(blocks(3)), interruption)
    assert list(tmp_path.iterdir()) == []


@every_format
def test_missing_cells_are_noticed(form, tmp_path, mapping, blocks):
    with open_writer(tmp_path / f"out{form}", mapping.schema, mapping.n_cells) as writer:
        writer.write(next(blocks(3)))
        with pytest.raises(ValueError, match="only 3 of 7 cells"):
            writer.close({})
    assert list(tmp_path.iterdir()) == []


def test_blocks_out_of_order_are_noticed(tmp_path, mapping, blocks):
    _, second, _ = blocks(3)
    with (
        open_writer(tmp_path / "out.csv", mapping.schema, mapping.n_cells) as writer,
        pytest.raises(ValueError, match="cells 3 to 6 cannot follow the first 0 of 7"),
    ):
        writer.write(second)


@every_format
def test_a_link_stays_a_link(form, tmp_path, mapping, blocks):
    (tmp_path / "real").mkdir()
    link = tmp_path / f"out{form}"
    link.symlink_to(tmp_path / "real" / f"out{form}")
    write_all(link, mapping, blocks)
    assert link.is_symlink()
    assert (tmp_path / "real" / f"out{form}").stat().st_size


@pytest.mark.parametrize("name", ["out", "out.xlsx", "out.h5ad.bak", "out.gz", "h5ad"])
def test_an_unknown_extension_is_refused_with_the_known_ones(name, tmp_path):
    with pytest.raises(OutputError, match=r"end in \.h5ad, .* or \.parquet"):
        check_output(tmp_path / name)


def test_the_extension_may_be_upper_case(tmp_path):
    assert check_output(tmp_path / "OUT.CSV.GZ") == ".csv.gz"


def test_counts_need_h5ad(tmp_path):
    with pytest.raises(OutputError, match="cannot hold counts"):
        check_output(tmp_path / "out.csv", with_counts=True)


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(OutputError, match=r"folder of the output .* does not exist"):
        check_output(tmp_path / "no" / "out.csv")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"folder of the output .* does not exist"):
        check_output(tmp_path / "file" / "out.csv")


def test_a_folder_is_no_output(tmp_path):
    (tmp_path / "out.h5ad").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        check_output(tmp_path / "out.h5ad")


def test_a_place_without_permission_is_refused(tmp_path, monkeypatch):
    out = tmp_path / "out.h5ad"
    denied = {tmp_path}
    monkeypatch.setattr(os, "access", lambda path, mode: path not in denied)
    with pytest.raises(OutputError, match=r"folder of the output .* not writable"):
        check_output(out)
    denied.clear()
    out.touch()
    denied.add(out)
    with pytest.raises(OutputError, match="cannot be replaced"):
        check_output(out)


def test_an_input_is_not_replaced(tmp_path):
    query = tmp_path / "query.h5ad"
    query.touch()
    (tmp_path / "link.h5ad").symlink_to(query)
    for out in ("query.h5ad", "link.h5ad", "./../" + tmp_path.name + "/query.h5ad"):
        with pytest.raises(OutputError, match="also an input"):
            check_output(tmp_path / out, inputs=[tmp_path / "other.h5ad", query])
    assert check_output(tmp_path / "new.h5ad", inputs=[query]) == ".h5ad"


class FullDisk:
    """Lets some bytes through to a file and then fails as a full disk does."""

    def __init__(self, file, room: int) -> None:
        self._file = file
        self._room = room

    def write(self, data) -> int:
        self._room -= len(memoryview(data).cast("B"))
        if self._room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self._file.write(data)

    def __getattr__(self, name):
        return getattr(self._file, name)


@pytest.mark.parametrize("room", [0, 100, 2500, 4000])
@pytest.mark.parametrize("with_counts", [False, True])
def test_a_full_disk_under_hdf5_is_one_sentence(
    room, with_counts, tmp_path, mapping, blocks, monkeypatch
):
    made = PatientFile.__init__

    def make(self, path):
        made(self, path)
        self._file = FullDisk(self._file, room)

    monkeypatch.setattr(PatientFile, "__init__", make)
    options = {"counts_genes": np.array(["g0", "g1", "g2"], object)} if with_counts else {}
    with pytest.raises(OutputError, match="the disk is full"):
        write_all(tmp_path / "out.h5ad", mapping, blocks, **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("form", [".csv", ".csv.gz", ".parquet"])
def test_a_full_disk_is_one_sentence(form, tmp_path, mapping, blocks, monkeypatch):
    from pathlib import Path

    opened = Path.open

    def full(self, mode="r", *rest, **options):
        if not self.name.endswith(".part"):
            return opened(self, mode, *rest, **options)
        opened(self, mode, *rest, **options).close()
        return open("/dev/full", "wb")

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(OutputError, match=r"Cannot write '.*out.*': the disk is full"):
        write_all(tmp_path / f"out{form}", mapping, blocks)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("step", ["fsync", "replace"])
@every_format
def test_a_failure_in_the_last_step_leaves_nothing(
    form, step, tmp_path, mapping, blocks, monkeypatch
):
    def fail(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OutputError, match=r"the disk reported: .*Input/output error"):
        write_all(tmp_path / f"out{form}", mapping, blocks)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("n_good", [0, 3])
def test_files_of_a_store_that_come_late_leave_nothing(
    n_good, tmp_path, mapping, blocks, monkeypatch
):
    """One file of a zarr store fails while others that are written with it are on the way."""
    local = pytest.importorskip("zarr.storage._local")
    put, begun = local._put, []

    def late(path, *rest, **options):
        begun.append(path)
        if len(begun) == n_good + 1:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        if len(begun) > n_good:
            time.sleep(0.3)
        return put(path, *rest, **options)

    monkeypatch.setattr(local, "_put", late)
    with pytest.raises(OutputError, match="the disk reported"):
        write_all(tmp_path / "out.zarr", mapping, blocks)
    time.sleep(0.5)
    assert list(tmp_path.iterdir()) == []


@every_format
def test_names_that_are_not_text_are_refused(form, tmp_path, mapping, blocks):
    mapping.cell_names[4] = "bad\udcff"
    with pytest.raises(OutputError, match="not text"):
        write_all(tmp_path / f"out{form}", mapping, blocks)
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_within_hdf5_leaves_nothing(tmp_path, mapping, blocks, monkeypatch):
    made = PatientFile.__init__

    class Interrupted(FullDisk):
        def write(self, data) -> int:
            raise KeyboardInterrupt

    def make(self, path):
        made(self, path)
        self._file = Interrupted(self._file, 0)

    monkeypatch.setattr(PatientFile, "__init__", make)
    with pytest.raises(KeyboardInterrupt):
        write_all(tmp_path / "out.h5ad", mapping, blocks)
    assert list(tmp_path.iterdir()) == []


def test_h5ad_files_of_any_block_size_are_alike(tmp_path, mapping, blocks):
    for size in (1, 3, 7):
        with open_writer(tmp_path / f"{size}.h5ad", mapping.schema, mapping.n_cells) as writer:
            for block in blocks(size):
                writer.write(block)
            writer.close(mapping.uns)

    def content(path):
        found = {}
        with h5py.File(path) as file:
            file.visititems(
                lambda name, item: (
                    found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None
                )
            )
        return found

    one, *others = (content(tmp_path / f"{size}.h5ad") for size in (1, 3, 7))
    for other in others:
        assert other.keys() == one.keys()
        for name, values in one.items():
            np.testing.assert_array_equal(other[name], values)
