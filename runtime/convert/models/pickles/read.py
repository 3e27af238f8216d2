"""Pickles read as data: nothing is imported, called or built, and what is not `ALLOWED` is refused.

A reader of its own for the opcodes of pickle, because Python's runs code to build objects. What a
pickle names is a `Name`, what it builds of one is a `Stub`; only a few, such as numpy's arrays,
become values (`made`). No object of ours is ever changed by a pickle but plain lists, dicts and
sets.
"""

from __future__ import annotations

import codecs
import struct
from collections.abc import Callable
from typing import Any

from cellport.runtime.convert.models.pickles.held import SPARE, Name, Reference
from cellport.runtime.convert.models.pickles.machine import MARK, Machine, Persistent
from cellport.runtime.decisions import say
from cellport.runtime.errors import InputError

_LONGEST_NUMBER = 256  # bytes; magic numbers and random states are shorter
_DAMAGE = (
    LookupError,
    ValueError,
    TypeError,
    ArithmeticError,
    AttributeError,
    struct.error,
    MemoryError,
    RecursionError,
)


def read_pickle(data: memoryview, title: str, persistent: Persistent = Reference) -> Any:
    """Return what a pickle holds, as plain values, arrays and stubs.

    Raises
    ------
    InputError
        It is damaged, too large, or names what no model that cellport reads needs.
    """
    return read_pickle_at(data, 0, title, persistent)[0]


def read_pickle_at(
    data: memoryview,
    start: int,
    title: str,
    persistent: Persistent = Reference,
    spare: int = SPARE,
) -> tuple[Any, int]:
    """Return what the pickle from a byte on holds, and where it ends; raises as `read_pickle`."""
    reader = Machine(data, start, title, persistent, spare)
    try:
        return _run(reader), reader.at
    except _DAMAGE:
        raise InputError(say("convert.damaged_pickle", title=title, at=reader.at)) from None


def _run(reader: Machine) -> Any:
    opcodes, data, size = _OPCODES, reader.data, len(reader.data)
    while reader.at < size:
        code = data[reader.at]
        reader.at += 1
        if code == 0x2E:  # STOP
            (value,) = reader.stack
            return value
        opcodes[code](reader)
    raise ValueError("ends too early")


def _text(raw: memoryview | bytes, encoding: str, errors: str = "strict") -> str:
    # codecs' own decode takes any buffer
    return str(raw, encoding, errors)


# opcodes: one function each, under the names of Python's pickletools
def _long(reader: Machine, size: int) -> None:
    if not 0 <= size <= _LONGEST_NUMBER:
        raise ValueError("a number that is too long")
    reader.push_new(reader.whole(size, signed=True))


def _int_line(reader: Machine) -> None:
    raw = reader.line(_LONGEST_NUMBER)
    if raw in (b"00", b"01"):
        return reader.push(raw == b"01")
    return reader.push_new(int(raw.rstrip(b"L")))


def _string(reader: Machine, size: int) -> None:
    reader.push_new(_text(reader.take(size), "latin-1"))


def _string_line(reader: Machine) -> None:
    raw = reader.line(1 << 16)
    if len(raw) < 2 or raw[:1] not in b"'\"" or raw[-1:] != raw[:1]:
        raise ValueError("no text")
    reader.push_new(_text(codecs.escape_decode(raw[1:-1])[0], "latin-1"))


def _unicode(reader: Machine, size: int) -> None:
    reader.push_new(_text(reader.take(size), "utf-8", "surrogatepass"))


def _unicode_line(reader: Machine) -> None:
    reader.push_new(_text(reader.line(1 << 16), "raw-unicode-escape"))


def _raw(reader: Machine, size: int) -> None:
    reader.push_new(bytes(reader.take(size)))


def _tuple(reader: Machine, size: int) -> None:
    items = [reader.pop() for _ in range(size)]
    reader.push_new(tuple(reversed(items)))


def _tuple_marked(reader: Machine) -> None:
    reader.push_new(tuple(reader.to_mark()))


def _list_marked(reader: Machine) -> None:
    reader.push_new(reader.to_mark())


def _dict_marked(reader: Machine) -> None:
    items = reader.to_mark()
    reader.push_new({})
    reader.set_items(items)


def _frozenset_marked(reader: Machine) -> None:
    items = reader.to_mark()
    reader.push_new(set())
    reader.add(items)


def _append(reader: Machine) -> None:
    one = reader.pop()
    reader.append([one])


def _set_item(reader: Machine) -> None:
    value, key = reader.pop(), reader.pop()
    reader.set_items([key, value])


def _global(reader: Machine) -> None:
    module, name = (_text(reader.line(), "utf-8") for _ in range(2))
    reader.name(module, name)


def _stack_global(reader: Machine) -> None:
    name, module = reader.pop(), reader.pop()
    if not isinstance(name, str) or not isinstance(module, str):
        raise TypeError("no name")
    reader.name(module, name)


def _reduce(reader: Machine) -> None:
    args, what = reader.pop(), reader.pop()
    reader.call(what, args)


def _new(reader: Machine) -> None:
    args, what = reader.pop(), reader.pop()
    if isinstance(what, Name) and what.dotted == "numpy.ndarray":
        raise reader.refuse("an array of an unusual kind")
    reader.call(what, args)


def _new_ex(reader: Machine) -> None:
    words, args = reader.pop(), reader.pop()
    if not isinstance(words, dict) or not isinstance(args, tuple):
        raise TypeError("no arguments")
    reader.call(reader.pop(), (*args, words))


def _obj(reader: Machine) -> None:
    what, *args = reader.to_mark()
    reader.call(what, tuple(args))


def _inst(reader: Machine) -> None:
    _global(reader)
    what = reader.pop()
    reader.call(what, tuple(reader.to_mark()))


def _persistent(reader: Machine) -> None:
    reader.spend(100)
    reader.push(reader.persistent(reader.pop()))


def _float_line(reader: Machine) -> None:
    reader.push_new(float(reader.line(_LONGEST_NUMBER)))


def _protocol(reader: Machine) -> None:
    if reader.whole(1) > 5:
        raise ValueError("a later protocol")


def _frame(reader: Machine) -> None:
    if reader.whole(8) > len(reader.data) - reader.at:
        raise ValueError("ends too early")


def _dup(reader: Machine) -> None:
    if reader.stack[-1] is MARK:
        raise ValueError("a mark twice")
    reader.push(reader.stack[-1])


def _pop(reader: Machine) -> None:
    reader.stack.pop()


def _pop_marked(reader: Machine) -> None:
    reader.to_mark()


def _unknown(reader: Machine) -> None:
    raise ValueError("no such opcode")


def _foreign(reader: Machine) -> None:
    raise reader.refuse(f"opcode {reader.data[reader.at - 1]:#04x}")


_BY_CODE: dict[bytes, Callable[[Machine], None]] = {
    b"(": lambda reader: reader.push(MARK),
    b"0": _pop,
    b"1": _pop_marked,
    b"2": _dup,
    b"F": _float_line,
    b"I": _int_line,
    b"J": lambda reader: reader.push_new(reader.whole(4, signed=True)),
    b"K": lambda reader: reader.push(reader.whole(1)),
    b"L": _int_line,
    b"M": lambda reader: reader.push_new(reader.whole(2)),
    b"N": lambda reader: reader.push(None),
    b"P": _foreign,  # PERSID
    b"Q": _persistent,
    b"R": _reduce,
    b"S": _string_line,
    b"T": lambda reader: _string(reader, reader.whole(4)),
    b"U": lambda reader: _string(reader, reader.whole(1)),
    b"V": _unicode_line,
    b"X": lambda reader: _unicode(reader, reader.whole(4)),
    b"a": _append,
    b"b": lambda reader: reader.build(),
    b"c": _global,
    b"d": _dict_marked,
    b"e": lambda reader: reader.append(reader.to_mark()),
    b"g": lambda reader: reader.get(int(reader.line(32))),
    b"h": lambda reader: reader.get(reader.whole(1)),
    b"i": _inst,
    b"j": lambda reader: reader.get(reader.whole(4)),
    b"l": _list_marked,
    b"o": _obj,
    b"p": lambda reader: reader.put(int(reader.line(32))),
    b"q": lambda reader: reader.put(reader.whole(1)),
    b"r": lambda reader: reader.put(reader.whole(4)),
    b"s": _set_item,
    b"t": _tuple_marked,
    b"u": lambda reader: reader.set_items(reader.to_mark()),
    b"}": lambda reader: reader.push_new({}),
    b"]": lambda reader: reader.push_new([]),
    b")": lambda reader: reader.push(()),
    b"G": lambda reader: reader.push_new(struct.unpack(">d", reader.take(8))[0]),
    b"B": lambda reader: _raw(reader, reader.whole(4)),
    b"C": lambda reader: _raw(reader, reader.whole(1)),
    b"\x80": _protocol,
    b"\x81": _new,
    b"\x82": _foreign,  # EXT1, EXT2, EXT4
    b"\x83": _foreign,
    b"\x84": _foreign,
    b"\x85": lambda reader: _tuple(reader, 1),
    b"\x86": lambda reader: _tuple(reader, 2),
    b"\x87": lambda reader: _tuple(reader, 3),
    b"\x88": lambda reader: reader.push(True),
    b"\x89": lambda reader: reader.push(False),
    b"\x8a": lambda reader: _long(reader, reader.whole(1)),
    b"\x8b": lambda reader: _long(reader, reader.whole(4, signed=True)),
    b"\x8c": lambda reader: _unicode(reader, reader.whole(1)),
    b"\x8d": lambda reader: _unicode(reader, reader.whole(8)),
    b"\x8e": lambda reader: _raw(reader, reader.whole(8)),
    b"\x8f": lambda reader: reader.push_new(set()),
    b"\x90": lambda reader: reader.add(reader.to_mark()),
    b"\x91": _frozenset_marked,
    b"\x92": _new_ex,
    b"\x93": _stack_global,
    b"\x94": lambda reader: reader.put(len(reader.memo)),
    b"\x95": _frame,
    b"\x96": lambda reader: _raw(reader, reader.whole(8)),
    b"\x97": _foreign,  # NEXT_BUFFER
    b"\x98": lambda reader: None,  # READONLY_BUFFER
}
_OPCODES = [_BY_CODE.get(bytes([code]), _unknown) for code in range(256)]
