"""Ctrl-C is remembered where Python drops it."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from cellport.ctrl_c import in_steps, remembered, stop_if_pressed, was_pressed


@pytest.fixture(autouse=True)
def _heard() -> Iterator[None]:
    """Ctrl-C as a shell hands it to a program in front; one in the background starts deaf."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    with remembered():  # forgets what was pressed
        pass
    signal.signal(signal.SIGINT, before)


class _Tidied:
    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


def test_a_press_that_python_drops_stops_the_next_step(capsys: pytest.CaptureFixture[str]):
    with remembered():
        _Tidied()  # the KeyboardInterrupt raised within is "ignored" by Python
        with pytest.raises(KeyboardInterrupt):
            stop_if_pressed()
    assert capsys.readouterr().err == ""


def test_a_press_elsewhere_is_raised_at_once():
    with remembered(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_a_first_press_waits_for_the_end_of_a_short_step():
    with remembered():
        in_steps(True)
        signal.raise_signal(signal.SIGINT)
        assert was_pressed()
        with pytest.raises(KeyboardInterrupt):
            stop_if_pressed()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    with remembered(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_nothing_pressed_nothing_raised():
    with remembered(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    with remembered():
        stop_if_pressed()


def test_the_handler_of_somebody_else_stays():
    seen: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: seen.append(number))
    try:
        with remembered():
            signal.raise_signal(signal.SIGINT)
            stop_if_pressed()
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [signal.SIGINT]
    assert signal.getsignal(signal.SIGINT) is before
