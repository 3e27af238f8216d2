"""What the operating system lets a process use that works on a file of somebody else."""

from __future__ import annotations

import errno
from contextlib import suppress
from pathlib import Path

# a block of cells needs far less; a file that claims more is refused
_MEMORY = 4 << 30


def limit_resources(largest_result: int) -> None:
    """Bound memory, on top of what the process has by now, and the bytes of a file it writes."""
    try:
        import resource
    except ImportError:  # pragma: no cover - Windows alone
        return
    with suppress(OSError, ValueError):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + _MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))
    with suppress(OSError, ValueError):
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_result, hard))


def is_too_large(error: BaseException | None) -> bool:
    """Tell whether an error comes of a file that grew beyond its bound."""
    while error is not None:
        if isinstance(error, OSError) and error.errno == errno.EFBIG:
            return True
        error = error.__cause__ or error.__context__
    return False
