from __future__ import annotations

import threading
import time
import weakref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellport.runtime.base.prefetch import prefetch


def workers():
    return [t for t in threading.enumerate() if t.name.startswith("cellport-prefetch")]


@settings(deadline=None)
@given(st.lists(st.integers()), st.integers(0, 5))
def test_same_items_in_order(items, depth):
    assert list(prefetch(items, depth)) == items
    assert not workers()


def test_error_comes_after_the_items_before_it():
    def items():
        yield 1
        yield 2
        raise KeyError("here")

    stream = prefetch(items(), 1)
    assert (next(stream), next(stream)) == (1, 2)
    with pytest.raises(KeyError, match="here"):
        next(stream)
    assert not workers()


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_never_far_ahead(depth):
    made = []

    def items():
        for item in range(100):
            made.append(item)
            yield item

    stream = prefetch(items(), depth)
    assert not made
    for taken in range(1, 20):
        next(stream)
        # the worker comes as far as it may while this item is in use
        until = time.perf_counter() + 5
        while len(made) < taken + depth + 1 and time.perf_counter() < until:
            time.sleep(0.0005)
        time.sleep(0.002)
        assert len(made) == taken + depth + 1
    stream.close()
    assert not workers()


def test_two_items_at_once_where_none_is_ready_ahead():
    class Item:
        pass

    alive, most = weakref.WeakSet(), []

    def items():
        for _ in range(20):
            item = Item()
            alive.add(item)
            most.append(len(alive))
            yield item
            del item

    for item in prefetch(items(), 0):
        time.sleep(0.002)
        del item
    assert max(most) == 2


@pytest.mark.parametrize("depth", [0, 1])
def test_made_ahead_while_the_consumer_works(depth):
    ready = threading.Event()

    def items():
        yield 0
        ready.set()
        yield 1

    stream = prefetch(items(), depth)
    assert next(stream) == 0
    assert ready.wait(5)
    assert next(stream) == 1
    stream.close()


@pytest.mark.parametrize("taken", [1, 3])
def test_consumer_that_stops_closes_the_source_promptly(taken):
    closed = threading.Event()

    def items():
        try:
            while True:
                yield 1
        finally:
            closed.set()

    stream = prefetch(items(), 2)
    for _ in range(taken):
        next(stream)
    begin = time.perf_counter()
    stream.close()
    # at once on an idle machine; what waits for more of the stream waits for ever
    assert time.perf_counter() - begin < 5
    assert closed.is_set()
    assert not workers()


def test_interrupt_while_waiting_is_prompt():
    import _thread

    slow = threading.Event()

    def items():
        yield 1
        slow.wait(0.5)
        yield 2

    stream = prefetch(items(), 1)
    next(stream)
    threading.Timer(0.1, _thread.interrupt_main).start()
    begin = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        next(stream)
    # what the stream was at took half a second
    assert time.perf_counter() - begin < 5
    assert not workers()


def test_a_thread_whose_start_was_interrupted_is_left_without_work(monkeypatch):
    asked = threading.Event()
    start = threading.Thread.start

    def interrupted(thread):
        start(thread)
        raise KeyboardInterrupt

    def items():
        asked.set()
        yield 1

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        next(prefetch(items(), 0))
    for thread in workers():
        thread.join(5)
    assert not workers()
    assert not asked.is_set()
