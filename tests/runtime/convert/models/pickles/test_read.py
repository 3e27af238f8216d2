"""Hostile pickles run nothing, take no memory, and end in a sentence."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellport.runtime.convert.models.pickles.held import Stub
from cellport.runtime.convert.models.pickles.read import read_pickle
from cellport.runtime.errors import CellportError, InputError


def read(data: bytes) -> Any:
    return read_pickle(memoryview(data), "model.pkl")


simple = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False)
    | st.text() | st.binary(max_size=300),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=30,
)  # fmt: skip


@given(simple, st.integers(0, 5))
def test_plain_values_come_back(value: Any, protocol: int) -> None:
    assert read(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "array",
    [
        np.arange(12, dtype="<f4").reshape(3, 4),
        np.arange(12, dtype=">f8").reshape(3, 4),
        np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        np.array(["CD3D", "é"]),
        np.array(["CD3D", "MS4A1"], object),
        np.array([], np.int64),
        np.array([True, False]),
        np.zeros((0, 3), np.float16),
    ],
)
def test_arrays_come_back(array: Any, protocol: int) -> None:
    for found in (read(pickle.dumps(array, protocol)), read(pickle.dumps([array], protocol))[0]):
        assert found.shape == array.shape
        assert found.tolist() == array.tolist()


@pytest.mark.parametrize("protocol", range(6))
def test_scalars_come_back(protocol: int) -> None:
    values = [np.float64(1.5), np.int32(-3), np.str_("a"), np.bool_(True), np.float32(0.25)]
    assert read(pickle.dumps(values, protocol)) == values


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "value", [{1, "a", None}, frozenset({2, ("b", 3)}), set(), bytearray(b"a\xff"), bytearray()]
)
def test_other_collections_come_back(value: Any, protocol: int) -> None:
    assert read(pickle.dumps(value, protocol)) == value


def test_text_of_python_2() -> None:
    assert read(b"(S'a\\x00b'\nU\x02\xe9\xffT\x01\x00\x00\x00zl.") == ["a\0b", "\xe9\xff", "z"]


def test_other_classes_are_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"pathlib\.\S*PurePosixPath"):
        read(pickle.dumps(__import__("pathlib").PurePosixPath("/")))


CLASS = b"sklearn.linear_model._logistic\nLogisticRegression\n"


@pytest.mark.parametrize(
    ("data", "args", "items"),
    [
        (b"(I3\nS'a'\ni" + CLASS + b".", (3, "a"), []),
        (b"(c" + CLASS + b"I3\nS'a'\no.", (3, "a"), []),
        (b"\x80\x04c" + CLASS + b"K\x03\x85}\x8c\x01bK\x01s\x92.", (3, {"b": 1}), []),
        (b"c" + CLASS + b")RS'a'\nI1\ns.", (), [("a", 1)]),
        (b"c" + CLASS + b")R(I1\nI2\ne.", (), [1, 2]),
    ],
)
def test_every_way_to_build_gives_a_stub(data: bytes, args: Any, items: Any) -> None:
    found = read(data)
    assert isinstance(found, Stub)
    assert found.name == "sklearn.linear_model._logistic.LogisticRegression"
    assert (found.args, found.items) == (args, items)


def _array(dtype: bytes = b"f4", shape: bytes = b"(I1\nt", order: bytes = b"C") -> bytes:
    """Write an array of four bytes as protocol 5 does."""
    call = b"cnumpy.core.numeric\n_frombuffer\n(S'aaaa'\ncnumpy\ndtype\n(S'"
    return call + dtype + b"'\nI0\nI1\ntR" + shape + b"S'" + order + b"'\ntR."


def test_an_array_of_four_bytes_comes_back() -> None:
    assert read(_array()).tobytes() == b"aaaa"


ATTACKS = {
    "global": b"cos\nsystem\n(S'touch CANARY'\ntR.",
    "inst": b"(S'touch CANARY'\nios\nsystem\n.",
    "obj": b"(cos\nsystem\nS'touch CANARY'\no.",
    "stack global": b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x0ctouch CANARY\x85R.",
    "exec": b'c__builtin__\nexec\n(S\'open("CANARY","w")\'\ntR.',
    "dotted": b"\x80\x04\x8c\x05numpy\x8c\x12ndarray.__class__\x93.",
    "dotted module": b"\x80\x04\x8c\x0bnumpy.core.\x8c\x14multiarray.scalar.__\x93.",
    "getattr": b"cbuiltins\ngetattr\n(cnumpy\nndarray\nS'__class__'\ntR.",
    "extension": b"\x80\x02\x82\x01.",
    "persistent id": b"Pos.system\n.",
    "next buffer": b"\x80\x05\x97.",
    "build on a name": b"cnumpy\nndarray\n}b.",
    "build on text": b"S'a'\n}b.",
    "call of text": b"S'a'\n)R.",
    "call of a list": b"](\x8c\x01aoR.",
    "new array": b"\x80\x02cnumpy\nndarray\n(J\xff\xff\xff\x7f\x85t\x81.",
    "object array of a bad shape": b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\n"
    b"tS'b'\ntR(I1\n(I2000000000\ntcnumpy\ndtype\n(S'O8'\nI0\nI1\ntR(I3\nS'|'\nNNNI-1\nI-1\nI63\ntb"
    b"I00\n(ltb.",
    "array of a bad shape": b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\n"
    b"tS'b'\ntR(I1\n(I2000000000\ntcnumpy\ndtype\n(S'f8'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntb"
    b"I00\nS''\ntb.",
    "long bytes": b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",
    "long text": b"\x80\x04X\xff\xff\xff\xffa.",
    "long number": b"\x80\x02\x8b\xff\xff\xff\x7f.",
    "negative number": b"\x80\x02\x8b\xff\xff\xff\xff.",
    "digits": b"I" + b"9" * 200_000 + b"\n.",
    "frame": b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7fN.",
    "memo": b"\x80\x02j\xff\xff\xff\xff.",
    "no mark": b"\x80\x02e.",
    "marks": b"(" * 1000 + b".",
    "empty": b"",
    "stop alone": b".",
    "two values": b"NN.",
    "nested keys": b"\x80\x02})" + b"2\x86" * 200 + b"Ns.",
    "no mark below": b"Ne.",
    "mark as a value": b"\x80\x02](a.",
    "mark in the memo": b"(q\x00.",
    "mark twice": b"(2.",
    "state of a type": b"cnumpy\ndtype\n(S'f8'\nI0\nI1\ntR(I3\nS'<'\nI1\nNNI-1\nI-1\nI0\ntb.",
    "type by number": b"cnumpy\ndtype\n(I5\ntR.",
    "type of fields": _array(b"f4,O8"),
    "numbers of no size": _array(b"S0", b"(I0\nt").replace(b"aaaa", b""),
    "shape that is none": _array(shape=b"I1\n"),
    "shape below nothing": _array(shape=b"(I-1\nt"),
    "shape of truth": _array(shape=b"(I01\nt"),
    "shape of too many": _array(shape=b"(" + b"I1\n" * 9 + b"t"),
    "no order": _array(order=b"K"),
    "array of another class": b"cnumpy.core.multiarray\n_reconstruct\n(S'a'\n(I0\ntS'b'\ntR.",
    "set of a number": b"c__builtin__\nset\n(I3\ntR.",
    "items of no set": b"\x80\x04](K\x01\x90.",
    "unusual encoding": b"c_codecs\nencode\n(Va\nVutf-16\ntR.",
    "words that are none": b"\x80\x04c" + CLASS + b")N\x92.",
    "arguments that are none": b"\x80\x04c" + CLASS + b"N}\x92.",
    "range as bytes": b"cbuiltins\nbytearray\n(I2000000000\ntR.",
}


@pytest.mark.parametrize("name", ATTACKS)
def test_attacks_end_in_a_sentence(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"model\.pkl"):
        read(ATTACKS[name])
    assert not list(tmp_path.iterdir())


def test_what_is_named_is_never_called() -> None:
    """Names on the list become stubs, whatever their arguments and state."""
    data = b"csklearn.linear_model._logistic\nLogisticRegression\n)\x81}S'__class__'\nNsb."
    found = read(data)
    assert isinstance(found, Stub)
    assert found.state == {"__class__": None}


BOMBS = {
    "lists in lists": "b'\\x80\\x02' + b']' * 20_000_000 + b'.'",
    "sets": "b'\\x80\\x04' + b'\\x8f' * 20_000_000 + b'.'",
    "deep tuples": "b'\\x80\\x02N' + b'\\x85' * 3_000_000 + b'.'",
    "deep lists": "b'\\x80\\x02' + b']' * 300_000 + b'a' * 299_999 + b'.'",
    "laughs": "b'\\x80\\x02]' + b'q\\x00(' + b'h\\x00' * 3_000_000 + b'e.'",
    "doubled": "b'\\x80\\x02]q\\x00' + b'(h\\x00h\\x00e' * 2_000_000 + b'.'",
    "one array often": "b'\\x80\\x02' + X + b'q\\x00' + "
    "b'c_codecs\\nencode\\n(h\\x00X\\x06\\0\\0\\0latin1tR' * 20_000 + b'.'",
    "lines": "b'V\\n' * 5_000_000 + b'.'",
    "memo": "b'\\x80\\x04N' + b'\\x94' * 20_000_000 + b'.'",
    "wide text": "b'\\x80\\x02' + W + b'.'",
}
WATCHED = """
import sys, struct
from cellport.runtime.convert.models.pickles.read import read_pickle
from cellport.runtime.errors import InputError
big = b'a' * 1_000_000
X = b'X' + struct.pack('<I', len(big)) + big
wide = ('a' * 4_000_000 + chr(0x1F600)).encode()
W = (b'X' + struct.pack('<I', len(wide)) + wide) * 10
try:
    read_pickle(memoryview({bomb}), "model.pkl")
except InputError as error:
    assert "model.pkl" in str(error)
print(*[line for line in open("/proc/self/status") if line.startswith("VmHWM")])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
@pytest.mark.parametrize("name", BOMBS)
def test_bombs(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WATCHED.replace("{bomb}", BOMBS[name])],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[1]) < 500_000, done.stdout


def test_cut_off_anywhere() -> None:
    whole = pickle.dumps({"Model": np.arange(5.0), "names": np.array(["a", "b"], object)})
    for size in range(len(whole)):
        with pytest.raises(CellportError):
            read(whole[:size])
