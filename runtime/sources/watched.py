"""HDF5 files whose damaged structures cannot keep the HDF5 library busy for ever.

The library walks heaps by sizes and offsets that the file itself states, and does not see when a
zeroed or forged one leads it nowhere (HDF5 1.14 and 2.0: ``H5HG__cache_heap_deserialize``,
``H5HL__fl_deserialize``). Nothing interrupts it then. So it reads through `WatchedFile`, which
looks at heaps as they are asked for and takes the signature off those that never end; the library
refuses these by itself. Layouts: HDF5 File Format Specification 3.0, III.C to III.E.
"""

from __future__ import annotations

import atexit
import io
import itertools
import os
from struct import Struct
from traceback import clear_frames
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import h5py

if TYPE_CHECKING:
    from pathlib import Path

# of the HDF5 superblock: signature; where its versions keep the bytes a length takes, behind those
# that an address takes
_HDF5, _LENGTH_AT = b"\x89HDF\r\n\x1a\n", {0: 14, 1: 14, 2: 10, 3: 10}
# the version whose superblock has flags, and where: bit 0 is set while somebody writes
_FLAGGED, _FLAGS_AT = 3, 11
_LENGTH_CODES = {2: "H", 4: "I", 8: "Q"}
# header of a global heap and of each of its objects, whatever a length takes
_HEADER, _ALIGNED = 16, 8
# a local heap's last free block names this as the next
_NO_BLOCK = 1
# an offset behind the end of any file
_BEYOND = 1 << 62

_numbers = itertools.count()
_files: WeakValueDictionary[str, WatchedFile] = WeakValueDictionary()


def open_watched(path: Path | str) -> h5py.File:
    """Open an HDF5 file for reading; structures in it without end are refused.

    Raises
    ------
    OSError
        As `h5py.File` does; where another program holds the file to write to it, too.
    """
    watched = WatchedFile(path)
    try:
        _lock(watched.fileno())
        file = h5py.File(watched, "r")
        if watched.left_open:
            file.close()
            raise OSError("file is already open for write")
    except BaseException as error:
        # frames of h5py hold settings that HDF5 frees through Python: not after its end
        clear_frames(error.__traceback__)
        watched.close()
        raise
    _files[repr(watched)] = watched
    return file


def watched_file(element: h5py.HLObject) -> WatchedFile | None:
    """Return the file of an element as `open_watched` has opened it; None for other ones."""
    return _files.get(h5py.h5f.get_name(element.id).decode("utf-8", "replace"))


def descriptor(file: h5py.File) -> int | None:
    """Return the descriptor of a watched file; None for other ones."""
    watched = watched_file(file)
    return None if watched is None else watched.fileno()


def _lock(file: int) -> None:
    """Share the file with readers only, as the library does where it opens files by itself."""
    if os.environ.get("HDF5_USE_FILE_LOCKING", "").upper() in ("FALSE", "0"):
        return
    try:
        import fcntl  # not on Windows, where open files are locked anyway

        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise BlockingIOError(
            error.errno, f"unable to lock file, errno = {error.errno}, '{error.strerror}'"
        ) from None
    except (ImportError, OSError):
        return  # a disk without locks


@atexit.register
def _close_all() -> None:
    # HDF5 closes what is open after Python has ended, when a file object cannot be asked any more
    for file in h5py.h5f.get_obj_ids(h5py.h5f.OBJ_ALL, h5py.h5f.OBJ_FILE):
        if h5py.h5f.get_name(file).decode() in _files:
            h5py.File(file).close()


class WatchedFile(io.RawIOBase):
    """A file as the HDF5 library is to see it."""

    def __init__(self, path: Path | str) -> None:
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115
        # h5py names a file by this: unlike any other's, and with the folder of the path
        self._name = f"{path} ({next(_numbers)})".encode("ascii", "replace").decode()
        self._length, self._opened = 8, False
        self.address_bytes = 8  # that an address takes
        self.size = os.fstat(self._file.fileno()).st_size
        self.believed: set[int] = set()  # addresses of datasets whose claims were looked at
        self._base = 0  # where the superblock is, behind a user block; addresses start there
        self.left_open = False  # whether whoever wrote it has not closed it

    def __repr__(self) -> str:
        return self._name

    def fileno(self) -> int:
        """Descriptor of the file."""
        return self._file.fileno()

    def readable(self) -> bool:
        """Files are opened for reading."""
        return True

    def seekable(self) -> bool:
        """Files can be read from anywhere."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to an offset."""
        # a damaged file may state any 64 bits as an offset
        return self._file.seek(min(offset, _BEYOND), whence)

    def tell(self) -> int:
        """Offset of the next byte."""
        return self._file.tell()

    def close(self) -> None:
        """Close the file."""
        # Python closes too what could not be opened
        if hasattr(self, "_file"):
            self._file.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        """Read bytes as the library is to see them."""
        view = memoryview(buffer).cast("B")
        read = 0
        while read < len(view):
            some = self._file.readinto(view[read:])
            if not some:
                break
            read += some
        kind = bytes(view[:4])
        if bytes(view) == _HDF5:
            # the library asks this object again when a link leads to another file
            if self._opened:
                view[:4] = bytes(4)
            self._opened = True
        elif kind == _HDF5[:4]:
            self._measure(bytes(view[:16]), self._file.tell() - read)
        elif (kind == b"GCOL" and self._is_endless_global(view[:read])) or (
            kind == b"HEAP" and self._is_endless_local(view[:read])
        ):
            view[:4] = bytes(4)
        return read

    def _measure(self, superblock: bytes, base: int) -> None:
        at = _LENGTH_AT.get(superblock[8]) if len(superblock) == 16 else None
        if at is not None and superblock[:8] == _HDF5 and superblock[at] in _LENGTH_CODES:
            self._length, self._base = superblock[at], base
            self.address_bytes = superblock[at - 1]
            self.left_open = superblock[8] == _FLAGGED and bool(superblock[_FLAGS_AT] & 1)

    def _number(self, heap: bytes, at: int) -> int:
        return int.from_bytes(heap[at : at + self._length], "little")

    def _is_endless_global(self, start: memoryview) -> bool:
        """Tell whether one of a global heap's objects leads to itself or back.

        An object without a number is free space and takes the bytes it states, which may be none;
        other sizes run over when they are near the largest number. A heap with neither a number
        of zeros nor the highest byte in it, as most are, needs no walk.
        """
        heap = self._whole(start, self._number(bytes(start[:_HEADER]), 8))
        if bytes(self._length) not in heap and b"\xff" not in heap:
            return False
        objects = Struct(f"<H6x{_LENGTH_CODES[self._length]}").unpack_from
        at, end = _HEADER, len(heap)
        while at + _HEADER <= end:
            number, size = objects(heap, at)
            if number:
                size = _HEADER + (size + _ALIGNED - 1) // _ALIGNED * _ALIGNED
            if not 0 < size <= end - at:
                return True
            at += size
        return False

    def _is_endless_local(self, start: memoryview) -> bool:
        """Tell whether the free blocks of a local heap's data lead in a circle."""
        size, free = (self._number(bytes(start), 8 + i * self._length) for i in range(2))
        seen: set[int] = set()
        data = self._data_of(bytes(start), size) if free != _NO_BLOCK else b""
        while free != _NO_BLOCK and free + 2 * self._length <= len(data):
            if free in seen:
                return True
            seen.add(free)
            free = self._number(data, free)
        return False

    def _data_of(self, header: bytes, size: int) -> bytes:
        at = int.from_bytes(header[8 + 2 * self._length :][:8], "little")
        return self.read_at(self._base + at, size)

    def _whole(self, start: memoryview, size: int) -> bytes:
        """Return a structure of which the library has asked for the start."""
        if size <= len(start):
            return bytes(start[:size])
        return bytes(start) + self.read_at(self._file.tell(), size - len(start))

    def read_object(self, address: int, size: int) -> bytes:
        """Read at an address, which begins where the superblock does."""
        return self.read_at(self._base + address, size)

    def read_at(self, offset: int, size: int) -> bytes:
        """Read without reading more than the file has."""
        if offset >= self.size:
            return b""
        back = self._file.tell()
        self._file.seek(offset)
        found = self._file.read(min(size, self.size - offset)) or b""
        self._file.seek(back)
        return found
