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


def test_text_of_python_2() -> None:
    assert read(b"(S'a\\x00b'\nU\x02\xe9\xffT\x01\x00\x00\x00zl.") == ["a\0b", "\xe9\xff", "z"]


def test_other_classes_are_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"pathlib\.\S*PurePosixPath"):
        read(pickle.dumps(__import__("pathlib").PurePosixPath("/")))


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
