from __future__ import annotations

import errno
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellport.runtime.writers.patient_file import PatientFile

steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, 40), st.binary(min_size=1, max_size=20)),
        st.tuples(st.just("read"), st.integers(0, 40), st.integers(0, 30)),
    ),
    max_size=20,
)


class Failing:
    """A file whose writes fail from the given one on."""

    def __init__(self, file, good_writes: int) -> None:
        self._file = file
        self._good = good_writes

    def write(self, data) -> int:
        self._good -= 1
        if self._good < 0:
            raise OSError(errno.ENOSPC, "full")
        return self._file.write(data)

    def __getattr__(self, name):
        return getattr(self._file, name)


@given(steps=steps, good_writes=st.integers(0, 20))
def test_reads_find_what_was_written_whether_or_not_the_disk_took_it(
    steps, good_writes, tmp_path_factory
):
    path = tmp_path_factory.mktemp("patient") / "file"
    truth = io.BytesIO()
    with PatientFile(path) as file:
        file._file = Failing(file._file, good_writes)
        n_written = 0
        for kind, position, argument in steps:
            assert file.seek(position) == truth.seek(position) == file.tell()
            if kind == "write":
                assert file.write(argument) == truth.write(argument)
                n_written += 1
            else:
                assert file.read(argument) == truth.read(argument)
        assert file.seek(0, io.SEEK_END) == truth.seek(0, io.SEEK_END)
        if n_written > good_writes:
            with pytest.raises(OSError, match="full"):
                file.check()
        else:
            file.check()


def test_an_existing_file_is_not_touched(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FileExistsError):
        PatientFile(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


def test_partial_writes_are_continued(tmp_path):
    class Slow(Failing):
        def write(self, data) -> int:
            return self._file.write(data[:3])

    with PatientFile(tmp_path / "file") as file:
        file._file = Slow(file._file, 0)
        file.write(b"0123456789")
        file.check()
    assert (tmp_path / "file").read_bytes() == b"0123456789"


def test_truncate_sets_the_size(tmp_path):
    with PatientFile(tmp_path / "file") as file:
        file.write(b"0123456789")
        file.truncate(4)
        assert file.seek(0, io.SEEK_END) == 4
    assert (tmp_path / "file").read_bytes() == b"0123"
