"""A file that HDF5 can always write to, even when the disk cannot."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any


class PatientFile(io.RawIOBase):
    """A new file that keeps the first failure for later instead of raising it.

    The HDF5 library may crash the process when a write fails, at once or when the file is
    closed. So after a failure, or a Ctrl-C, writes are kept in memory, where reads find them,
    until the owner sees the failure by `check` and closes the HDF5 file. That is little: what
    is left of one HDF5 call and the library's caches.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = path.open("x+b", buffering=0)
        self._failure: BaseException | None = None
        self._position = 0
        self._size = 0
        self._late: list[tuple[int, bytes]] = []

    def check(self) -> None:
        """Raise the failure that a write met since the last check, if any."""
        if self._failure is not None:
            raise self._failure

    def write(self, data: Any) -> int:
        """Write all bytes at the current position."""
        data = memoryview(data).cast("B")
        if self._failure is None:
            try:
                self._file.seek(self._position)
                done = 0
                while done < len(data):
                    done += self._file.write(data[done:]) or 0
            except BaseException as failure:  # noqa: BLE001 (raised again by `check`)
                self._failure = failure
        if self._failure is not None:
            self._late.append((self._position, bytes(data)))
        self._position += len(data)
        self._size = max(self._size, self._position)
        return len(data)

    def readinto(self, buffer: Any) -> int:
        """Read up to the length of the buffer at the current position."""
        buffer = memoryview(buffer).cast("B")
        begin, length = self._position, max(0, min(len(buffer), self._size - self._position))
        buffer[:length] = bytes(length)
        self._file.seek(begin)
        self._file.readinto(buffer[:length])
        for start, data in self._late:
            low, high = max(begin, start), min(begin + length, start + len(data))
            if low < high:
                buffer[low - begin : high - begin] = data[low - start : high - start]
        self._position += length
        return length

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move the current position, also beyond the end."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        """Return the current position."""
        return self._position

    def truncate(self, size: int | None = None) -> int:
        """Set the size of the file."""
        size = self._position if size is None else size
        if self._failure is None:
            try:
                self._file.truncate(size)
            except BaseException as failure:  # noqa: BLE001 (raised again by `check`)
                self._failure = failure
        self._size = size
        return size

    def readable(self) -> bool:
        """Return True."""
        return True

    def writable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def close(self) -> None:
        """Close the file."""
        # Python closes too what could not be opened
        if hasattr(self, "_file"):
            self._file.close()
        super().close()
