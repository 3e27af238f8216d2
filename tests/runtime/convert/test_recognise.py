"""Published models are read; others are refused by name; damaged ones in a sentence."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from cellport.runtime.convert.celltypist import CellTypistModel
from cellport.runtime.convert.recognise import read_model
from cellport.runtime.convert.scvi import ScviModel
from cellport.runtime.errors import InputError

FOREIGN = Path(__file__).resolve().parents[2] / "data" / "foreign"
# 20,000 in trials; CELLPORT_MUTATIONS=20000
EACH = int(os.environ.get("CELLPORT_MUTATIONS", "600")) // 2
MUTATIONS = """
import sys
from pathlib import Path
import numpy as np
from cellport.runtime.convert.recognise import read_model
from cellport.runtime.errors import CellportError

def called(*_):
    print("something ran", flush=True)
    raise SystemExit(3)

clean, spoilt, count = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
whole = np.fromfile(clean, np.uint8)
sys.addaudithook(lambda event, _: called() if event in ("os.system", "exec.forbidden",
    "subprocess.Popen", "socket.connect", "pickle.find_class") else None)
refused = 0
for number in range(count):
    rng = np.random.default_rng(number)
    data = whole.copy()
    if number % 4 == 0:
        data = data[: rng.integers(len(data))]
    else:
        at = rng.integers(0, len(data), 1 if number % 4 == 1 else rng.integers(2, 30))
        data[at] = rng.integers(0, 256, len(at))
        if number % 4 == 3:
            data[at[0] : at[0] + 200] = rng.integers(0, 256)
    spoilt.write_bytes(data.tobytes())
    try:
        read_model(spoilt)
    except CellportError as error:
        assert str(spoilt.parent) in str(error)
        refused += 1
memory = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(refused, memory[0].split()[1])
"""


@pytest.mark.parametrize("name", ["CD4vCD8vGDvNK_v2.pkl", "RIRA_Immune_v2.pkl", "RIRA_TNK_v2.pkl"])
def test_published_celltypist(models: Path, name: str) -> None:
    model = read_model(models / name)
    assert isinstance(model, CellTypistModel)
    assert model.coef.shape == (len(model.labels), len(model.genes))
    assert model.classifier == "LogisticRegression"


def test_published_scanvi(models: Path, tmp_path: Path) -> None:
    model = read_model(models / "scanvi_1.0.3")
    assert isinstance(model, ScviModel)
    assert (model.kind, model.scvi_version, model.cells) == ("SCANVI", "1.0.3", 400)
    assert (model.labels, model.unlabelled) == (("label_2", "label_1"), "label_0")
    assert not model.encoder_takes_batch
    # as hubs name them
    shutil.copy(models / "scanvi_1.0.3" / "model.pt", tmp_path / "scanvi_model.pt")
    again = read_model(tmp_path)
    assert isinstance(again, ScviModel)
    assert np.array_equal(again.mean.weight, model.mean.weight)


@pytest.mark.parametrize(
    ("name", "kind"), [("totalvi_to_refuse.pt", "totalVI"), ("condscvi_to_refuse.pt", "CondSCVI")]
)
def test_other_kinds_are_refused_by_name(models: Path, name: str, kind: str) -> None:
    with pytest.raises(InputError, match=kind):
        read_model(models / name)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"X\n\0\0\0\x03\0\x04", "Azimuth"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"\x89HDF\r\n", "HDF5"),
        (b"version https://git-lfs.github.com/spec/v1\n", "LFS"),
        (b"<!DOCTYPE html>", "web page"),
        (b"hello", "no model"),
        (b"\x80\x04N.", "no model"),
        (b"PK\x03\x04", "damaged"),
    ],
)
def test_other_files(content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "given").write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_model(tmp_path / "given")


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file or folder"):
        read_model(tmp_path / "absent")
    with pytest.raises(InputError, match="holds no model"):
        read_model(tmp_path)


def test_packed_zips_are_refused(models: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model/data.pkl", b"\x80\x02]" + b"N" * 100_000)
    with pytest.raises(InputError, match="packed"):
        read_model(tmp_path / "model.pt")


@pytest.mark.parametrize("name", ["RIRA_TNK_v2.pkl", "scanvi_1.0.3/model.pt"])
def test_mutations_of_published_models(models: Path, name: str, tmp_path: Path) -> None:
    mutate(models / name, tmp_path / Path(name).name)


@pytest.mark.parametrize(
    "name",
    [
        "scanvi_014_deep/attr.pkl",
        "scpoli_deep/attr.pkl",
        "scpoli_deep/model_params.pt",
        "scimilarity/encoder.ckpt",
    ],
)
def test_mutations_in_folders(name: str, tmp_path: Path) -> None:
    clean = FOREIGN / name
    shutil.copytree(clean.parent, tmp_path / "model")
    mutate(clean, tmp_path / "model" / clean.name)


def mutate(clean: Path, spoilt: Path) -> None:
    """Read one file spoilt in many ways: nothing runs, memory stays small, each has a sentence."""
    done = subprocess.run(
        [sys.executable, "-c", MUTATIONS, str(clean), str(spoilt), str(EACH)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    refused, memory = map(int, done.stdout.split())
    assert refused > EACH / 5
    assert memory < 500_000
