"""What torch saves in each form is read as torch reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cellport.runtime.convert.pickles.torch_zip import read_torch
from cellport.runtime.errors import InputError


@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_come_back(tmp_path: Path, zipped: bool) -> None:
    import torch

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
    import torch

    path = tmp_path / "model.pt"
    torch.save({"a": torch.ones(3)}, path, _use_new_zipfile_serialization=zipped)
    whole = path.read_bytes()
    for size in range(1, len(whole), 7):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError):
            read_torch(path)


def test_half_precision_of_one_storage_again_and_again(tmp_path: Path) -> None:
    import torch

    numbers = torch.zeros(1_000_000, dtype=torch.float16)
    path = tmp_path / "model.pt"
    torch.save([numbers[:] for _ in range(3000)], path)
    with pytest.raises(InputError, match="more numbers"):
        read_torch(path)
