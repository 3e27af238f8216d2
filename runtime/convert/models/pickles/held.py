"""What a pickle holds where it names things that are not values, and how much it may take."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cellport.runtime.decisions import rows, say
from cellport.runtime.errors import InputError

PLACE = 16  # bytes of an item's place on the stack and in its container
# memory that the objects of one pickle may take, beside what is proportional to its size: the
# labels of three million cells take 150 MB, and an attack stays far below 500 MB
SPARE = 160 << 20
_PER_BYTE = 6  # numpy arrays as text in old protocols: text, bytes and array, and twice their use


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
class Growing:
    """An array or its type between being named and being filled."""

    kind: str
    done: Any = None


class Budget:
    """Memory that the objects of one pickle may still take."""

    def __init__(self, title: str, size: int, spare: int = SPARE) -> None:
        self.title, self.left = title, spare + _PER_BYTE * size

    def spend(self, size: int) -> None:
        """Take from it; raises InputError where nothing is left."""
        self.left -= size
        if self.left < 0:
            raise InputError(say("convert.pickle_too_large", title=self.title))

    def refuse(self, what: str) -> InputError:
        """Return the error that a pickle asks for what no model needs."""
        known = (
            row["what"] for row in rows("convert.known_globals") if what.startswith(row["begins"])
        )
        if found := next(known, None):
            return InputError(say("convert.other_object", title=self.title, what=found))
        return InputError(say("convert.not_allowed", title=self.title, what=what[:200]))


def key_of(value: Any) -> Any:
    """Return a key of a dict or set; hashing nested tuples may take for ever: they are none."""
    plain = (str, bytes, int, float, bool, type(None), Name)
    flat = isinstance(value, tuple) and len(value) < 100
    if not (isinstance(value, plain) or (flat and all(isinstance(one, plain) for one in value))):
        raise TypeError("no key")
    return value
