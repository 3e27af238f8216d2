"""Make the next items in the background while the present one is worked on."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

T = TypeVar("T")

# How long either side sleeps before it looks whether the other has gone, in seconds.
PATIENCE = 0.1


def prefetch(items: Iterable[T], depth: int) -> Generator[T, None, None]:
    """Iterate over `items` in a background thread, at most `depth` of them ready ahead.

    Up to ``depth + 2`` items are alive at once: those ready, the one being made and the one
    that the consumer holds. With a depth of 0 the next item is made while the consumer has the
    last, and the one after it only once that is taken. The thread starts with the first item
    asked for, and ends when the consumer stops, is closed, or is interrupted; generators among
    `items` are closed then.

    Parameters
    ----------
    items
        What to iterate over; used by the background thread alone.
    depth
        Items ready ahead, at least 0.

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
    made: queue.Queue[tuple[str, T | BaseException | None]] = queue.Queue()
    # items that may be made before the next one is taken
    room = threading.Semaphore(depth + 1)
    stopped = threading.Event()
    worker = threading.Thread(
        target=_produce, args=(items, made, room, stopped), name="cellport-prefetch", daemon=True
    )
    worker.start()
    try:
        while True:
            try:
                # Waiting for ever could not be interrupted on every system.
                kind, item = made.get(timeout=PATIENCE)
            except queue.Empty:
                continue
            if kind == "end":
                return
            if kind == "error":
                raise item  # type: ignore[misc]
            room.release()
            yield item  # type: ignore[misc]
            del item
    finally:
        stopped.set()
        room.release()
        worker.join()


def _produce(
    items: Iterable[T],
    made: queue.Queue[tuple[str, T | BaseException | None]],
    room: threading.Semaphore,
    stopped: threading.Event,
) -> None:
    iterator = iter(items)
    try:
        try:
            while room.acquire() and not stopped.is_set():
                try:
                    item = next(iterator)
                except StopIteration:
                    break
                made.put(("item", item))
                del item
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()
    except BaseException as error:  # noqa: BLE001 - it is raised again where the items are used
        made.put(("error", error))
    else:
        made.put(("end", None))
