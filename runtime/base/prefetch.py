"""Make the next items in the background while the present one is worked on."""

from __future__ import annotations

import queue
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

T = TypeVar("T")
# "item" and one, "error" and one, or "end" and None
Made = tuple[str, Any]

# seconds after which a waiting consumer looks whether it was interrupted
PATIENCE = 0.1


def prefetch(items: Iterable[T], depth: int) -> Generator[T, None, None]:
    """Iterate over `items` in a background thread, at most `depth` of them ready ahead.

    Up to ``depth + 2`` items are alive at once: those ready, the one being made and the one
    that the consumer holds; with a `depth` of 0 the next is made while the present one is in
    use, and no more. The thread starts with the first item asked for, and ends when the
    consumer stops, is closed, or is interrupted; generators among `items` are closed then.

    Parameters
    ----------
    items
        What to iterate over; used by the background thread alone.
    depth
        Items ready ahead of the one being made, at least 0.

    Yields
    ------
    T
        The items in order.

    Raises
    ------
    Exception
        Whatever `items` raises, after the items made before it.
    """
    if depth < 0:
        raise ValueError(f"depth must be at least 0, not {depth}")
    return _consume(items, depth)


def _consume(items: Iterable[T], depth: int) -> Generator[T, None, None]:
    ready: queue.SimpleQueue[Made] = queue.SimpleQueue()
    room, stopped = threading.Semaphore(depth + 1), threading.Event()
    worker = threading.Thread(
        target=_produce, args=(items, ready, room, stopped), name="cellport-prefetch", daemon=True
    )
    worker.start()
    try:
        while True:
            kind, item = _next(ready)
            room.release()
            if kind == "end":
                return
            if kind == "error":
                raise item
            yield item
            del item
    finally:
        stopped.set()
        room.release()
        worker.join()


def _next(ready: queue.SimpleQueue[Made]) -> Made:
    # waiting for ever could not be interrupted on every system
    while True:
        with suppress(queue.Empty):
            return ready.get(timeout=PATIENCE)


def _produce(
    items: Iterable[T],
    ready: queue.SimpleQueue[Made],
    room: threading.Semaphore,
    stopped: threading.Event,
) -> None:
    iterator = iter(items)
    try:
        try:
            while room.acquire() and not stopped.is_set():
                ready.put(("item", next(iterator)))
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()
    except StopIteration:
        ready.put(("end", None))
    except BaseException as error:  # noqa: BLE001 - it is raised again where the items are used
        ready.put(("error", error))
