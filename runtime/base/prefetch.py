"""Make the next items in the background while the present one is worked on."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

T = TypeVar("T")

# seconds after which a waiting consumer looks whether it was interrupted
PATIENCE = 0.1
_END = object()


def prefetch(items: Iterable[T], depth: int) -> Generator[T, None, None]:
    """Iterate over `items` in a background thread, at most `depth` of them ready ahead.

    Up to ``depth + 2`` items are alive at once: those ready, the one being made and the one
    that the consumer holds; with a `depth` of 0 the next is made while the present one is in
    use, and no more. The thread starts with the first item asked for, and ends when the
    consumer stops, is closed, or is interrupted; a generator is closed then. Whatever `items`
    raises is raised after the items made before it.
    """
    iterator = iter(items)
    with ThreadPoolExecutor(1, "cellport-prefetch") as worker:
        # a Ctrl-C while a thread starts leaves it behind, unknown to its pool and waited for by
        # nobody: with nothing to do it ends by itself, where one inside torch or ONNX Runtime when
        # Python ends would abort the process
        worker.submit(_start)
        try:
            coming = deque(worker.submit(next, iterator, _END) for _ in range(depth + 1))
            while (item := _when_made(coming.popleft())) is not _END:
                coming.append(worker.submit(next, iterator, _END))
                handed = [item]
                del item
                # nothing here holds it while the consumer works: it may let go of it sooner
                yield handed.pop()
        finally:
            worker.shutdown(cancel_futures=True)
            if hasattr(iterator, "close"):
                iterator.close()


def _start() -> None:
    """Do nothing."""


def _when_made(item: Future[Any]) -> Any:
    # waiting for ever could not be interrupted on every system
    while not wait([item], PATIENCE).done:
        pass
    return item.result()
