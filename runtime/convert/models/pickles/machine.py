"""The stack machine of pickles: what opcodes do to values, and nothing that runs anything."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from cellport.runtime.convert.models.pickles.allowed import ALLOWED
from cellport.runtime.convert.models.pickles.held import (
    PLACE,
    Budget,
    Growing,
    Name,
    Stub,
    key_of,
)
from cellport.runtime.convert.models.pickles.made import build, maker_of

LONGEST_NAME = 1 << 10


class _Mark:
    __slots__ = ()


MARK = _Mark()
Persistent = Callable[[Any], Any]


class Machine(Budget):
    """Bytes of a pickle, the place in them, and what was made so far."""

    def __init__(
        self, data: memoryview, start: int, title: str, persistent: Persistent, spare: int
    ) -> None:
        super().__init__(title, len(data) - start, spare)
        self.data, self.at, self.persistent = data, start, persistent
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    # bytes
    def take(self, size: int) -> memoryview:
        """Return the next bytes."""
        if not 0 <= size <= len(self.data) - self.at:
            raise ValueError("ends too early")
        self.at += size
        return self.data[self.at - size : self.at]

    def whole(self, size: int, *, signed: bool = False) -> int:
        """Return a whole number of so many bytes."""
        return int.from_bytes(self.take(size), "little", signed=signed)

    def line(self, longest: int = LONGEST_NAME) -> bytes:
        """Return the bytes up to the end of a line."""
        # no more is looked at than twice the line, however many lines there are
        look = 32
        while look < longest + 32:
            look *= 2
            seen = bytes(self.data[self.at : self.at + look])
            end = seen.find(b"\n")
            if end >= 0:
                self.at += end + 1
                return seen[:end]
        raise ValueError("no end of line")

    # the stack
    def push(self, value: Any) -> None:
        """Put a value on the stack that took no memory of its own."""
        self.spend(PLACE)
        self.stack.append(value)

    def push_new(self, value: Any) -> None:
        """Put a value on the stack that was just made."""
        self.spend(PLACE + sys.getsizeof(value))
        self.stack.append(value)

    def pop(self) -> Any:
        """Take the last value from the stack."""
        value = self.stack.pop()
        if value is MARK:
            raise ValueError("a mark where a value should be")
        return value.done if isinstance(value, Growing) and value.done is not None else value

    def to_mark(self) -> list[Any]:
        """Take the values from the stack down to the last mark."""
        at = len(self.stack) - 1
        while self.stack[at] is not MARK:
            at -= 1
            if at < 0:
                raise ValueError("no mark")
        items = self.stack[at + 1 :]
        del self.stack[at:]
        return [i.done if isinstance(i, Growing) and i.done is not None else i for i in items]

    # the memo
    def put(self, key: int) -> None:
        """Remember the last value."""
        self.spend(100)
        if self.stack[-1] is MARK:
            raise ValueError("a mark in the memo")
        self.memo[key] = self.stack[-1]

    def get(self, key: int) -> None:
        """Put a remembered value on the stack."""
        self.push(self.memo[key])

    # names, calls and states
    def name(self, module: str, name: str) -> None:
        """Put a name on the stack; raises InputError where it is not on the list."""
        dotted = f"{module}.{name}"
        if dotted not in ALLOWED:
            raise self.refuse(dotted)
        self.push_new(Name(dotted))

    def call(self, what: Any, args: Any) -> None:
        """Put on the stack what a call gives: a value that `made` knows, or a stub."""
        if not isinstance(what, Name) or not isinstance(args, tuple):
            raise self.refuse("a call of something that has no name")
        maker = maker_of(what.dotted)
        if maker is None:
            self.spend(300)
            self.push(Stub(what.dotted, args))
        else:
            self.push_new(maker(self, args))

    def build(self) -> None:
        """Give the last value a state."""
        state, held = self.pop(), self.stack[-1]
        if isinstance(held, Growing):
            held.done = build(self, held, state)
            self.stack[-1] = held.done
        elif isinstance(held, Stub):
            held.state = state
        elif not isinstance(held, (dict, list, set)):
            raise self.refuse(f"a state of {type(held).__name__}")

    def append(self, items: list[Any]) -> None:
        """Add items to a list."""
        held = self.stack[-1]
        target = held.items if isinstance(held, Stub) else held
        if not isinstance(target, list):
            raise TypeError("not a list")
        self.spend(PLACE * len(items))
        target.extend(items)

    def set_items(self, items: list[Any]) -> None:
        """Add keys and values, in turn, to a dict."""
        held = self.stack[-1]
        if len(items) % 2 or not isinstance(held, (dict, Stub)):
            raise TypeError("not a dict")
        self.spend(120 * len(items))
        for at in range(0, len(items), 2):
            if isinstance(held, dict):
                held[key_of(items[at])] = items[at + 1]
            else:
                held.items.append((items[at], items[at + 1]))

    def add(self, items: list[Any]) -> None:
        """Add items to a set."""
        held = self.stack[-1]
        if not isinstance(held, set):
            raise TypeError("not a set")
        self.spend(120 * len(items))
        held.update(key_of(item) for item in items)
