"""Ctrl-C that cannot get lost.

Python raises KeyboardInterrupt wherever it happens to be. Where it is tidying an object away, in a
weak reference's callback or ``__del__``, the exception is reported as ignored and the work goes on
as if nobody had pressed anything; within h5py it can come out as another error, and within a pool
of threads leave one behind. So a press is remembered, and work in short steps, each of which
asks, is not torn out of one.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass(slots=True)
class _State:
    # no locks: a handler may interrupt itself, and would wait for its own
    pressed: bool = False
    in_steps: bool = False


_state = _State()


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

    _state.pressed = False
    signal.signal(signal.SIGINT, _press)
    sys.unraisablehook = dropped
    try:
        yield
    finally:
        in_steps(False)
        signal.signal(signal.SIGINT, before)
        sys.unraisablehook = others


def in_steps(short: bool) -> None:
    """Say whether what follows asks often; a first Ctrl-C then waits until it does."""
    _state.in_steps = short


def was_pressed() -> bool:
    """Tell whether Ctrl-C was pressed since ``remembered`` began."""
    return _state.pressed


def stop_if_pressed() -> None:
    """Raise the KeyboardInterrupt of a Ctrl-C that was pressed and is not raised yet.

    Raises
    ------
    KeyboardInterrupt
        Ctrl-C was pressed since ``remembered`` began.
    """
    if was_pressed():
        raise KeyboardInterrupt


def _press(signum: int, frame: FrameType | None) -> None:
    waits = _state.in_steps and not _state.pressed
    _state.pressed = True
    if not waits:
        raise KeyboardInterrupt
