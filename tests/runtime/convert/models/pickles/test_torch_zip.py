"""What torch saves in each form is read as torch reads it."""

from __future__ import annotations

import io
import pickle
import pickletools
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cellport.runtime.convert.models.pickles.torch_zip import read_attributes, read_torch
from cellport.runtime.errors import InputError


@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_come_back(tmp_path: Path, zipped: bool) -> None:
    torch = pytest.importorskip("torch")

    whole = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    saved: dict[str, Any] = {
        "whole": whole,
        "turned": whole.T,
        "part": whole[1:3, ::2],
        "parameter": torch.nn.Parameter(whole + 1),
        "half": whole.half(),
        "brain": whole.bfloat16(),
        "double": whole.double(),
        "counts": torch.arange(5),
        "none": torch.zeros(0, 3),
        "one": torch.tensor(2.5),
        "nested": [{"again": whole}],
        "repeated": torch.ones(1).expand(1, 1),
    }
    path = tmp_path / "model.pt"
    torch.save(saved, path, _use_new_zipfile_serialization=zipped)
    found = read_torch(path)
    again = found["nested"][0]["again"]
    assert again.tolist() == whole.tolist()
    for name in saved.keys() - {"nested", "none"}:
        assert found[name].tolist() == saved[name].tolist(), name
    assert found["none"].size == 0
    assert found["half"].dtype == found["brain"].dtype == np.float32


@pytest.mark.parametrize("zipped", [True, False])
def test_cut_off(tmp_path: Path, zipped: bool) -> None:
    torch = pytest.importorskip("torch")

    path = tmp_path / "model.pt"
    torch.save({"a": torch.ones(3)}, path, _use_new_zipfile_serialization=zipped)
    whole = path.read_bytes()
    for size in range(1, len(whole), 7):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError):
            read_torch(path)


def test_half_precision_of_one_storage_again_and_again(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")

    numbers = torch.zeros(1_000_000, dtype=torch.float16)
    path = tmp_path / "model.pt"
    torch.save([numbers[:] for _ in range(3000)], path)
    with pytest.raises(InputError, match="more numbers"):
        read_torch(path)


def _in_bytes(payload: bytes, times: int = 1) -> bytes:
    """Write a plain pickle of tensors, of one storage that is a pickle itself."""
    call = b"ctorch._utils\n_rebuild_tensor_v2\n(ctorch.storage\n_load_from_bytes\n"
    tensor = call + b"(h\x00tRI0\n(I3\nt(I1\ntI00\nNtR"
    return b"\x80\x02B" + len(payload).to_bytes(4, "little") + payload + b"q\x000(" + tensor * times


def _storage() -> bytes:
    torch = pytest.importorskip("torch")

    whole = pickle.dumps(torch.arange(3, dtype=torch.float32))
    return next(given for _, given, _ in pickletools.genops(whole) if isinstance(given, bytes))


def test_tensors_in_plain_pickles(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")

    path = tmp_path / "attr.pkl"
    given = {"mean": torch.arange(6.0).reshape(2, 3).T, "names": ["a", "b"]}
    path.write_bytes(pickle.dumps({"prototypes_labeled_": given}))
    found = read_attributes(path)["prototypes_labeled_"]
    assert found["mean"].tolist() == given["mean"].tolist()
    path.write_bytes(_in_bytes(_storage()) + b"l.")
    assert read_attributes(path)[0].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"cos\nsystem\n(S'touch CANARY'\ntR.",
        _in_bytes(b"N.") + b"l.",
        pickle.dumps(0x1950A86A20F9469CFC6C) + b"cos\nsystem\n(S'touch CANARY'\ntR.",
        b"\x80\x02" + b"]" * 5_000_000 + b".",
    ],
)
def test_pickles_in_pickles(
    payload: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "attr.pkl"
    path.write_bytes(_in_bytes(payload) + b"l.")
    with pytest.raises(InputError, match=r"attr\.pkl"):
        read_attributes(path)
    assert [one.name for one in tmp_path.iterdir()] == ["attr.pkl"]


def test_one_pickle_asked_for_again_and_again_is_read_once(tmp_path: Path) -> None:
    stream, path = io.BytesIO(_storage()), tmp_path / "attr.pkl"
    magic, protocol, system = (pickle.load(stream) for _ in range(3))
    long = system | {"long": list(range(20_000))}
    start = b"".join(pickle.dumps(part) for part in (magic, protocol, long))
    path.write_bytes(_in_bytes(start + stream.read(), 5000) + b"l.")
    began = time.perf_counter()
    assert len(read_attributes(path)) == 5000
    # each reading of that list takes about 10 ms
    assert time.perf_counter() - began < 20
