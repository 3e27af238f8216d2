"""Published models are read; others are refused by name; damaged ones in a sentence."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from cellport.runtime.convert.models.celltypist import CellTypistModel
from cellport.runtime.convert.models.recognise import models_among, read_model
from cellport.runtime.convert.models.scvi import ScviModel
from cellport.runtime.errors import InputError

FOREIGN = Path(__file__).resolve().parents[3] / "data" / "foreign"
# 20,000 in trials; CELLPORT_MUTATIONS=20000
EACH = int(os.environ.get("CELLPORT_MUTATIONS", "600")) // 2
MUTATIONS = """
import sys
from pathlib import Path
import numpy as np
from cellport.runtime.convert.models.recognise import read_model
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
    ("name", "words"),
    {
        "totalvi": "totalVI also reads proteins.*cellport train",
        "multivi": "MultiVI also reads chromatin.*cellport train",
        "peakvi": "PeakVI reads chromatin",
        "condscvi": "CondSCVI needs the label.*cellport train",
        "amortizedlda": "AmortizedLDA, which finds topics.*cellport train",
        "trvae": "trVAE needs the condition.*scPoli",
        "expimap": "expiMap scores gene programmes.*cellport train",
        "scgen": "scGen foretells.*cellport train",
        "popv_forest": "forest of trees.*celltypist.pkl, or its folder scanvi",
        "popv_svm": "support vector machine.*celltypist.pkl, or its folder scanvi",
        "popv_xgboost": "XGBoost.*celltypist.pkl, or its folder scanvi",
        "popv_neighbors": "faiss.*celltypist.pkl, or its folder scanvi",
        "popv_onclass": "OnClass.*cellport train",
    }.items(),
)
def test_kinds_with_no_right_answer_say_what_to_do(name: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_model(FOREIGN / f"refused_{name}")


def test_linear_scvi_is_read_for_its_encoder() -> None:
    model = read_model(FOREIGN / "refused_linear_scvi")
    assert isinstance(model, ScviModel)
    assert (model.kind, model.decoder) == ("LinearSCVI", None)


def test_a_folder_of_popv_is_several_models(tmp_path: Path) -> None:
    """Its own answer is a vote of all, among them some that need the reference's cells."""
    shutil.copy(FOREIGN / "celltypist_eight" / "model.pkl", tmp_path / "celltypist.pkl")
    for inner in ("scanvi", "scvi"):
        (tmp_path / inner).mkdir()
        shutil.copy(FOREIGN / f"{inner}_default" / "model.pt", tmp_path / inner)
    with pytest.raises(InputError, match=r"celltypist\.pkl, scanvi/model\.pt, scvi/model\.pt"):
        read_model(tmp_path)
    shutil.rmtree(tmp_path / "scvi")
    (tmp_path / "celltypist.pkl").unlink()
    assert isinstance(read_model(tmp_path), ScviModel)


@pytest.mark.parametrize(
    ("file", "lacks"), [("encoder.ckpt", "gene_order.tsv"), ("model_params.pt", "attr.pkl")]
)
def test_files_beside_are_asked_for(file: str, lacks: str, tmp_path: Path) -> None:
    folder = "scimilarity" if file == "encoder.ckpt" else "scpoli_default"
    shutil.copy(FOREIGN / folder / file, tmp_path)
    for given in (tmp_path, tmp_path / file):
        with pytest.raises(InputError, match=lacks):
            read_model(given)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"X\n\0\0\0\x03\0\x04", "Azimuth"),
        (b"\x1f\x8b\x08", "gzip"),
        (
            gzip.compress(b"X\n\0\0\0\x03\0\x04\x03\x01" + bytes(1000), mtime=0),
            "RDS.*cellport train",
        ),
        (gzip.compress(b"RDX3\nX\n" + bytes(1000), mtime=0), "R workspace.*cellport train"),
        (gzip.compress(bytes(1000), mtime=0), "gunzip"),
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


def test_models_among_the_files_of_a_hub() -> None:
    weights = ["old/a_model_params.pt", "old/a_var_names.csv", "old/a_attr.pkl", "old/attr.csv"]
    others = ["README.md", "adata.h5ad", "s/encoder.ckpt", "s/gene_order.tsv", "scanvi/model.pt"]
    assert models_among([*weights, *others, "celltypist.pkl"]) == {
        "celltypist.pkl": ("celltypist.pkl",),
        "old/a_model_params.pt": tuple(weights[:3]),
        "s/encoder.ckpt": ("s/encoder.ckpt", "s/gene_order.tsv"),
        "scanvi/model.pt": ("scanvi/model.pt",),
    }
