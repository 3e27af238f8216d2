"""What HDF5 objects keep in their headers, as it is stored and before the library converts it.

Layouts: HDF5 File Format Specification 3.0, IV.A.1 (headers) and IV.A.2 (messages).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from struct import Struct

# reads some bytes at an address, or as many of them as the file has
ReadAt = Callable[[int, int], bytes]

_LAYOUT, _ATTRIBUTE, _CONTINUATION = 8, 12, 16
# flag of a message that lies elsewhere, shared by several objects
_SHARED = 2
# more than the header of any object: a message has 64 kB at most
_MOST_BYTES = 1 << 24
_COMPACT = 0
# most headers whole, with the continuation that comes right behind
_FIRST_READ = 1024


def attribute_bytes(read: ReadAt, address: int, address_bytes: int, name: str) -> bytes:
    """Return the value of an attribute; nothing where it is not kept in the header itself.

    `address_bytes` is what an address takes in this file.
    """
    for kind, body in _messages(read, address, address_bytes):
        if kind == _ATTRIBUTE and len(body) > _NAMED[1].size:
            found, value = _attribute(body)
            if found == name.encode():
                return value
    return b""


def compact_bytes(read: ReadAt, address: int, address_bytes: int) -> bytes:
    """Return the values of a dataset that keeps them in its header; nothing for other ones."""
    for kind, body in _messages(read, address, address_bytes):
        if kind == _LAYOUT and len(body) >= 4 and body[0] >= 3 and body[1] == _COMPACT:
            return body[4 : 4 + int.from_bytes(body[2:4], "little")]
    return b""


def _messages(read: ReadAt, address: int, address_bytes: int) -> Iterator[tuple[int, bytes]]:
    """Yield type and body of each message of a header and its continuations."""
    start = read(address, _FIRST_READ)
    modern = start[:4] == b"OHDR"
    blocks = [_first_block(start, address, modern)]
    header = Struct("<HHB3x" if not modern else "<BHB2x" if start[5] & 4 else "<BHB")
    for place, size in blocks:
        inside, at = place - address, 0
        block = start[inside : inside + size] if 0 <= inside <= _FIRST_READ - size else b""
        block = block or read(place, min(size, _MOST_BYTES))
        while at + header.size <= len(block):
            kind, length, flags = header.unpack_from(block, at)
            body = block[at + header.size : at + header.size + length]
            at += header.size + length
            if kind == _CONTINUATION:
                following = int.from_bytes(body[:address_bytes], "little")
                size = int.from_bytes(body[address_bytes:], "little")
                # behind the signature and before the checksum
                more = (following + 4, size - 8) if modern else (following, size)
                if more not in blocks:
                    blocks.append(more)
            elif not flags & _SHARED:
                yield kind, body


def _first_block(start: bytes, address: int, modern: bool) -> tuple[int, int]:
    if not modern:
        return address + 16, int.from_bytes(start[8:12], "little")
    # four times, and the limits of dense storage, are there or not
    at = 6 + (16 if start[5] & 0x20 else 0) + (4 if start[5] & 0x10 else 0)
    width = 1 << (start[5] & 3)
    return address + at + width, int.from_bytes(start[at : at + width], "little")


# by version: the sizes of name, type and extent; and to what multiple these are filled up
_NAMED = {1: Struct("<2xHHH"), 2: Struct("<2xHHH"), 3: Struct("<2xHHHx")}
_FILLED = {1: 8, 2: 1, 3: 1}


def _attribute(body: bytes) -> tuple[bytes, bytes]:
    """Return name and value of an attribute."""
    version = body[0]
    if version not in _NAMED:
        return b"", b""
    sizes = _NAMED[version].unpack_from(body)
    begin = _NAMED[version].size
    filled = [-(-size // _FILLED[version]) * _FILLED[version] for size in sizes]
    return body[begin : begin + sizes[0]].rstrip(b"\0"), body[begin + sum(filled) :]
