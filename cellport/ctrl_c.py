"""Ctrl-C that cannot get lost.

Python raises KeyboardInterrupt wherever it happens to be. Where it is tidying an object away, in a
weak reference's callback or ``__del__``, the exception is reported as ignored and the work goes on
as if nobody had pressed anything. So the press is remembered, and work that shows progress asks.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_pressed = threading.Event()


@contextmanager
def remembered() -> Iterator[None]:
    """Remember a Ctrl-C within; does nothing where somebody else already handles it."""
    before = signal.getsignal(signal.SIGINT)
    ours = before is signal.default_int_handler and (
        threading.current_thread() is threading.main_thread()
    )
    if not ours:
        yield
        return
    others = sys.unraisablehook

    def dropped(unraisable: sys.UnraisableHookArgs) -> None:
        # no traceback for the one that is remembered
        if unraisable.exc_type is not KeyboardInterrupt:
            others(unraisable)

    _pressed.clear()
    signal.signal(signal.SIGINT, _press)
    sys.unraisablehook = dropped
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        sys.unraisablehook = others


def stop_if_pressed() -> None:
    """Raise the KeyboardInterrupt of a Ctrl-C that was pressed and got lost.

    Raises
    ------
    KeyboardInterrupt
        Ctrl-C was pressed since ``remembered`` began.
    """
    if _pressed.is_set():
        raise KeyboardInterrupt


def _press(signum: int, frame: FrameType | None) -> None:
    _pressed.set()
    raise KeyboardInterrupt
