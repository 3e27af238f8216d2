"""Pickles read as data: nothing is imported, called or built that is not on the list below.

A reader of its own for the opcodes of pickle, because Python's runs code to build objects. What a
pickle names is a `Name`, what it builds of one is a `Stub`; only a few, such as numpy's arrays,
become values. No object of ours is ever changed by a pickle but plain lists, dicts and sets.
"""

from __future__ import annotations

import codecs
import re
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cellport.runtime.convert.allowed import ALLOWED
from cellport.runtime.decisions import say
from cellport.runtime.errors import InputError

# memory that the objects of one pickle may take, beside what is proportional to its size: the
# labels of three million cells take 150 MB, and an attack stays far below 500 MB
_SPARE = 160 << 20
_PER_BYTE = 6  # numpy arrays as text in old protocols: text, bytes and array, and twice their use
_LONGEST_NUMBER = 256  # bytes; magic numbers and random states are shorter
_LONGEST_NAME = 1 << 10
_PLACE = 16  # bytes of an item's place on the stack and in its container
_MOST_DIMENSIONS = 8
_NUMBERS = re.compile(r"[<>|=]?(?:[?biufc][0-9]{0,2}|[SUV][0-9]{1,9}|O8?|[mM]8?.{0,16})")
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


@dataclass(frozen=True, slots=True)
class Name:
    """What a pickle names, such as a class; never the thing itself."""

    dotted: str  # module and name


@dataclass(slots=True, eq=False, repr=False)
class Stub:
    """An object of a named class, of which only what the pickle says of it is kept."""

    name: str
    args: tuple[Any, ...] = ()
    state: Any = None
    items: list[Any] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Reference:
    """An object outside the pickle, such as a tensor's numbers."""

    key: Any


@dataclass(slots=True, eq=False, repr=False)
class _Growing:
    """An array or its type between being named and being filled."""

    kind: str
    done: Any = None


class _Mark:
    __slots__ = ()


_MARK = _Mark()
Persistent = Callable[[Any], Any]


def read_pickle(data: memoryview, title: str, persistent: Persistent = Reference) -> Any:
    """Return what a pickle holds, as plain values, arrays and stubs.

    Raises
    ------
    InputError
        It is damaged, too large, or names what no model that cellport reads needs.
    """
    return read_pickle_at(data, 0, title, persistent)[0]


def read_pickle_at(
    data: memoryview, start: int, title: str, persistent: Persistent = Reference
) -> tuple[Any, int]:
    """Return what the pickle from a byte on holds, and where it ends; raises as `read_pickle`."""
    reader = _Reader(data, start, title, persistent)
    try:
        return reader.run(), reader.at
    except _DAMAGE:
        raise InputError(say("convert.damaged_pickle", title=title, at=reader.at)) from None


class _Reader:
    def __init__(self, data: memoryview, start: int, title: str, persistent: Persistent) -> None:
        self.data, self.at, self.title, self.persistent = data, start, title, persistent
        self.left = _SPARE + _PER_BYTE * (len(data) - start)
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        opcodes = _OPCODES
        data, size = self.data, len(self.data)
        while self.at < size:
            code = data[self.at]
            self.at += 1
            if code == 0x2E:  # STOP
                (value,) = self.stack
                return value
            opcodes[code](self)
        raise ValueError("ends too early")

    def spend(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise InputError(say("convert.pickle_too_large", title=self.title))

    def refuse(self, what: str) -> InputError:
        return InputError(say("convert.not_allowed", title=self.title, what=what[:200]))

    # bytes
    def take(self, size: int) -> memoryview:
        if not 0 <= size <= len(self.data) - self.at:
            raise ValueError("ends too early")
        self.at += size
        return self.data[self.at - size : self.at]

    def whole(self, size: int, *, signed: bool = False) -> int:
        return int.from_bytes(self.take(size), "little", signed=signed)

    def line(self, longest: int = _LONGEST_NAME) -> bytes:
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
        self.spend(_PLACE)
        self.stack.append(value)

    def push_new(self, value: Any) -> None:
        self.spend(_PLACE + sys.getsizeof(value))
        self.stack.append(value)

    def pop(self) -> Any:
        value = self.stack.pop()
        if value is _MARK:
            raise ValueError("a mark where a value should be")
        return value.done if isinstance(value, _Growing) and value.done is not None else value

    def to_mark(self) -> list[Any]:
        at = len(self.stack) - 1
        while self.stack[at] is not _MARK:
            at -= 1
            if at < 0:
                raise ValueError("no mark")
        items = self.stack[at + 1 :]
        del self.stack[at:]
        return [i.done if isinstance(i, _Growing) and i.done is not None else i for i in items]

    # the memo
    def put(self, key: int) -> None:
        self.spend(100)
        if self.stack[-1] is _MARK:
            raise ValueError("a mark in the memo")
        self.memo[key] = self.stack[-1]

    def get(self, key: int) -> None:
        self.push(self.memo[key])

    # names, calls and states
    def name(self, module: str, name: str) -> None:
        dotted = f"{module}.{name}"
        if dotted not in ALLOWED:
            raise self.refuse(dotted)
        self.push_new(Name(dotted))

    def call(self, what: Any, args: Any) -> None:
        if not isinstance(what, Name) or not isinstance(args, tuple):
            raise self.refuse("a call of something that has no name")
        maker = _MAKERS.get(what.dotted.rpartition(".")[2]) if _makes(what.dotted) else None
        if maker is None:
            self.spend(300)
            self.push(Stub(what.dotted, args))
        else:
            self.push_new(maker(self, args))

    def build(self) -> None:
        state, held = self.pop(), self.stack[-1]
        if isinstance(held, _Growing):
            held.done = _BUILDERS[held.kind](self, held, state)
            self.stack[-1] = held.done
        elif isinstance(held, Stub):
            held.state = state
        elif not isinstance(held, (dict, list, set)):
            raise self.refuse(f"a state of {type(held).__name__}")

    def append(self, items: list[Any]) -> None:
        held = self.stack[-1]
        target = held.items if isinstance(held, Stub) else held
        if not isinstance(target, list):
            raise TypeError("not a list")
        self.spend(_PLACE * len(items))
        target.extend(items)

    def set_items(self, items: list[Any]) -> None:
        held = self.stack[-1]
        if len(items) % 2 or not isinstance(held, (dict, Stub)):
            raise TypeError("not a dict")
        self.spend(120 * len(items))
        for at in range(0, len(items), 2):
            if isinstance(held, dict):
                held[_key(items[at])] = items[at + 1]
            else:
                held.items.append((items[at], items[at + 1]))

    def add(self, items: list[Any]) -> None:
        held = self.stack[-1]
        if not isinstance(held, set):
            raise TypeError("not a set")
        self.spend(120 * len(items))
        held.update(_key(item) for item in items)


def _key(value: Any) -> Any:
    """Return a key of a dict or set; hashing nested tuples may take for ever: they are none."""
    plain = (str, bytes, int, float, bool, type(None), Name)
    flat = isinstance(value, tuple) and len(value) < 100
    if not (isinstance(value, plain) or (flat and all(isinstance(one, plain) for one in value))):
        raise TypeError("no key")
    return value


def _text(raw: memoryview | bytes, encoding: str, errors: str = "strict") -> str:
    # codecs' own decode takes any buffer
    return str(raw, encoding, errors)


# numpy
def _dtype(reader: _Reader, args: tuple[Any, ...]) -> _Growing:
    name = args[0]
    if not isinstance(name, str) or not _NUMBERS.fullmatch(name):
        raise reader.refuse("an array of an unusual type")
    return _Growing("dtype", np.dtype(name))


def _build_dtype(reader: _Reader, held: _Growing, state: Any) -> np.dtype[Any]:
    dtype: np.dtype[Any] = held.done
    if not isinstance(state, tuple) or len(state) < 5 or state[2:5] != (None, None, None):
        raise reader.refuse("an array of an unusual type")
    return dtype.newbyteorder(state[1]) if state[1] in ("<", ">") else dtype


def _reconstruct(reader: _Reader, args: tuple[Any, ...]) -> _Growing:
    if not (isinstance(args[0], Name) and args[0].dotted == "numpy.ndarray"):
        raise reader.refuse("an array of an unusual kind")
    return _Growing("array")


def _build_array(reader: _Reader, held: _Growing, state: Any) -> Any:
    if held.done is not None or not isinstance(state, tuple) or len(state) not in (4, 5):
        raise ValueError("an array twice")
    shape, dtype, fortran, data = state[-4:]
    return _array(reader, data, dtype, shape, "F" if fortran else "C")


def _array(reader: _Reader, data: Any, dtype: Any, shape: Any, order: Any) -> Any:
    if isinstance(dtype, _Growing):
        dtype = dtype.done
    if not isinstance(dtype, np.dtype):
        raise TypeError("no type")
    if not isinstance(shape, tuple) or len(shape) > _MOST_DIMENSIONS:
        raise ValueError("no shape")
    count = 1
    for extent in shape:
        if type(extent) is not int or extent < 0:
            raise ValueError("no shape")
        count *= extent
    if order not in ("C", "F"):
        raise ValueError("no order")
    if dtype.hasobject:
        return _objects(reader, data, shape, count, order)
    raw = data.encode("latin-1") if isinstance(data, str) else data
    if not isinstance(raw, (bytes, bytearray)) or len(raw) != count * dtype.itemsize:
        raise ValueError("as many bytes as its shape wants")
    reader.spend(2 * len(raw))
    dtype = np.dtype("i8") if dtype.kind in "mM" else dtype
    if not dtype.itemsize:
        raise ValueError("numbers of no size")
    return np.frombuffer(raw, dtype).reshape(shape, order=order)


def _objects(reader: _Reader, data: Any, shape: tuple[int, ...], count: int, order: Any) -> Any:
    """Texts are an array; whatever else is a stub, which nothing that matters needs."""
    if not isinstance(data, list) or len(data) != count:
        raise ValueError("as many objects as its shape wants")
    reader.spend(_PLACE * count)
    if not all(isinstance(one, str) for one in data):
        return Stub("numpy.ndarray", (shape,), None, data)
    found = np.empty(count, object)
    found[:] = data
    return found.reshape(shape, order=order)


def _scalar(reader: _Reader, args: tuple[Any, ...]) -> Any:
    dtype, raw = args
    one = _array(reader, raw, dtype, (), "C")
    return one.item() if isinstance(one, np.ndarray) else one


def _frombuffer(reader: _Reader, args: tuple[Any, ...]) -> Any:
    data, dtype, shape, order = args
    return _array(reader, data, dtype, shape, order)


# Python's own
def _encode(reader: _Reader, args: tuple[Any, ...]) -> bytes:
    text, encoding = args
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1", "utf-8", "ascii"):
        raise reader.refuse("an unusual encoding")
    reader.spend(len(text))
    return text.encode(encoding)


def _bytes(reader: _Reader, args: tuple[Any, ...]) -> bytes:
    if not args:
        return b""
    (given,) = args[:1]
    if isinstance(given, str) and args[1:] in (("latin-1",), ("latin1",)):
        return _encode(reader, (given, "latin1"))
    if not isinstance(given, (bytes, bytearray, list)):
        raise reader.refuse("unusual bytes")
    reader.spend(len(given))
    return bytes(given)


def _mapping(reader: _Reader, args: tuple[Any, ...]) -> dict[Any, Any]:
    given = args[-1] if args and not isinstance(args[-1], Name) else ()
    pairs = list(given.items()) if isinstance(given, dict) else given
    reader.spend(200 + 200 * len(pairs or ()))
    return {_key(key): value for key, value in pairs or ()}


def _set(reader: _Reader, args: tuple[Any, ...]) -> set[Any]:
    given = args[0] if args else []
    if not isinstance(given, (list, tuple, set)):
        raise TypeError("no set")
    reader.spend(120 * len(given))
    return {_key(one) for one in given}


_MAKERS: dict[str, Callable[[_Reader, tuple[Any, ...]], Any]] = {
    "_reconstruct": _reconstruct,
    "dtype": _dtype,
    "scalar": _scalar,
    "_frombuffer": _frombuffer,
    "encode": _encode,
    "bytes": _bytes,
    "bytearray": _bytes,
    "OrderedDict": _mapping,
    "defaultdict": _mapping,
    "dict": _mapping,
    "set": _set,
    "frozenset": _set,
}
_BUILDERS = {"dtype": _build_dtype, "array": _build_array}


def _makes(dotted: str) -> bool:
    """Whether calls of this name make a value."""
    homes = ("numpy", "builtins", "__builtin__", "collections", "_codecs")
    return dotted.partition(".")[0] in homes


# opcodes: one function each, under the names of Python's pickletools
def _long(reader: _Reader, size: int) -> None:
    if not 0 <= size <= _LONGEST_NUMBER:
        raise ValueError("a number that is too long")
    reader.push_new(reader.whole(size, signed=True))


def _int_line(reader: _Reader) -> None:
    raw = reader.line(_LONGEST_NUMBER)
    if raw in (b"00", b"01"):
        return reader.push(raw == b"01")
    return reader.push_new(int(raw.rstrip(b"L")))


def _string(reader: _Reader, size: int) -> None:
    reader.push_new(_text(reader.take(size), "latin-1"))


def _string_line(reader: _Reader) -> None:
    raw = reader.line(1 << 16)
    if len(raw) < 2 or raw[:1] not in b"'\"" or raw[-1:] != raw[:1]:
        raise ValueError("no text")
    reader.push_new(_text(codecs.escape_decode(raw[1:-1])[0], "latin-1"))


def _unicode(reader: _Reader, size: int) -> None:
    reader.push_new(_text(reader.take(size), "utf-8", "surrogatepass"))


def _unicode_line(reader: _Reader) -> None:
    reader.push_new(_text(reader.line(1 << 16), "raw-unicode-escape"))


def _raw(reader: _Reader, size: int) -> None:
    reader.push_new(bytes(reader.take(size)))


def _tuple(reader: _Reader, size: int) -> None:
    items = [reader.pop() for _ in range(size)]
    reader.push_new(tuple(reversed(items)))


def _tuple_marked(reader: _Reader) -> None:
    reader.push_new(tuple(reader.to_mark()))


def _list_marked(reader: _Reader) -> None:
    reader.push_new(reader.to_mark())


def _dict_marked(reader: _Reader) -> None:
    items = reader.to_mark()
    reader.push_new({})
    reader.set_items(items)


def _frozenset_marked(reader: _Reader) -> None:
    items = reader.to_mark()
    reader.push_new(set())
    reader.add(items)


def _append(reader: _Reader) -> None:
    one = reader.pop()
    reader.append([one])


def _set_item(reader: _Reader) -> None:
    value, key = reader.pop(), reader.pop()
    reader.set_items([key, value])


def _global(reader: _Reader) -> None:
    module, name = (_text(reader.line(), "utf-8") for _ in range(2))
    reader.name(module, name)


def _stack_global(reader: _Reader) -> None:
    name, module = reader.pop(), reader.pop()
    if not isinstance(name, str) or not isinstance(module, str):
        raise TypeError("no name")
    reader.name(module, name)


def _reduce(reader: _Reader) -> None:
    args, what = reader.pop(), reader.pop()
    reader.call(what, args)


def _new(reader: _Reader) -> None:
    args, what = reader.pop(), reader.pop()
    if isinstance(what, Name) and what.dotted == "numpy.ndarray":
        raise reader.refuse("an array of an unusual kind")
    reader.call(what, args)


def _new_ex(reader: _Reader) -> None:
    words, args = reader.pop(), reader.pop()
    if not isinstance(words, dict) or not isinstance(args, tuple):
        raise TypeError("no arguments")
    reader.call(reader.pop(), (*args, words))


def _obj(reader: _Reader) -> None:
    what, *args = reader.to_mark()
    reader.call(what, tuple(args))


def _inst(reader: _Reader) -> None:
    _global(reader)
    what = reader.pop()
    reader.call(what, tuple(reader.to_mark()))


def _persistent(reader: _Reader) -> None:
    reader.spend(100)
    reader.push(reader.persistent(reader.pop()))


def _float_line(reader: _Reader) -> None:
    reader.push_new(float(reader.line(_LONGEST_NUMBER)))


def _protocol(reader: _Reader) -> None:
    if reader.whole(1) > 5:
        raise ValueError("a later protocol")


def _frame(reader: _Reader) -> None:
    if reader.whole(8) > len(reader.data) - reader.at:
        raise ValueError("ends too early")


def _dup(reader: _Reader) -> None:
    if reader.stack[-1] is _MARK:
        raise ValueError("a mark twice")
    reader.push(reader.stack[-1])


def _pop(reader: _Reader) -> None:
    reader.stack.pop()


def _pop_marked(reader: _Reader) -> None:
    reader.to_mark()


def _unknown(reader: _Reader) -> None:
    raise ValueError("no such opcode")


def _foreign(reader: _Reader) -> None:
    raise reader.refuse(f"opcode {reader.data[reader.at - 1]:#04x}")


_BY_CODE: dict[bytes, Callable[[_Reader], None]] = {
    b"(": lambda reader: reader.push(_MARK),
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
