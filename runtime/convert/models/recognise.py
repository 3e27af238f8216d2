"""What kind of model a file or folder is, told by its content."""

from __future__ import annotations

import csv
import os
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cellport.runtime.base.files import Place
from cellport.runtime.convert.models.celltypist import (
    CellTypistModel,
    celltypist_model,
    is_celltypist,
)
from cellport.runtime.convert.models.fields import MOST_GENES
from cellport.runtime.convert.models.pickles.held import Stub
from cellport.runtime.convert.models.pickles.read import read_pickle
from cellport.runtime.convert.models.pickles.torch_zip import (
    is_torch,
    read_attributes,
    read_bytes,
    read_torch,
)
from cellport.runtime.convert.models.scimilarity import (
    ScimilarityModel,
    is_scimilarity,
    scimilarity_model,
)
from cellport.runtime.convert.models.scpoli import (
    ScPoliModel,
    is_scpoli,
    scarches_kind,
    scpoli_model,
)
from cellport.runtime.convert.models.scvi import ScviModel, is_scvi, refuse_kind, scvi_model
from cellport.runtime.decisions import rows, say
from cellport.runtime.errors import InputError, first_line
from cellport.runtime.sources.refusals import refuse_address

Model = CellTypistModel | ScviModel | ScPoliModel | ScimilarityModel
_WEIGHTS, _NAMES, _ATTRIBUTES = "model_params.pt", "var_names.csv", "attr.pkl"
_ENCODER, _GENES, _CLASSES = "encoder.ckpt", "gene_order.tsv", "label_ints.csv"
_MODELS = ("model.pt", _ENCODER, _WEIGHTS)
_BESIDE = {_WEIGHTS: (_NAMES, _ATTRIBUTES), _ENCODER: (_GENES, _CLASSES)}
_BEGINNING = 64  # bytes that tell what a file is
_LONGEST_LINE = 10_000


def read_model(path: Place) -> Model:
    """Read a model of another tool: a file, or a folder as the tool saved it.

    Raises
    ------
    InputError
        It is none that cellport converts, or damaged.
    """
    refuse_address(os.fspath(path))
    path = Path(path)
    if path.is_dir():
        return _folder(path)
    if not path.exists():
        raise InputError(say("convert.no_file", title=path))
    if path.name.endswith(_WEIGHTS):
        return _of_weights(path)
    if path.name.endswith((_ATTRIBUTES, _NAMES)):
        return _folder(path.parent)
    return _file(path)


def models_among(paths: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Say which of some files are models, by how tools call them, and which each needs.

    Parameters
    ----------
    paths
        With slashes between folders, as a hub lists them.

    Returns
    -------
    The files of a model by the one that is to be given to `read_model`, which comes first.
    """
    there, found = set(paths), {}
    for path in sorted(there):
        folder, slash, name = path.rpartition("/")
        ending = next((one for one in (*_MODELS, ".pkl") if name.endswith(one)), "")
        if ending and not name.endswith(_ATTRIBUTES):
            beginning = f"{folder}{slash}{name.removesuffix(ending)}"
            needed = (f"{beginning}{other}" for other in _BESIDE.get(ending, ()))
            found[path] = (path, *(one for one in needed if one in there))
    return found


def _file(path: Path) -> Model:
    data = read_bytes(path)
    _refuse_by_beginning(bytes(data[:_BEGINNING]), path)
    if is_torch(data):
        return _of_torch(read_torch(path), path)
    if data[0] != 0x80 and bytes(data[:1]) not in b"(}]c":
        raise InputError(say("convert.not_a_model", title=path))
    return _of_pickle(read_pickle(data, str(path)), path)


def _refuse_by_beginning(head: bytes, path: Path) -> None:
    # of a file packed with gzip its content is what tells
    for start in (_unpacked(head), head):
        for row in rows("convert.beginnings"):
            if start.startswith(bytes.fromhex(row["hex"])):
                raise InputError(say("convert.other_file", title=path, what=row["what"]))


def _unpacked(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(head, _BEGINNING)
    except zlib.error:
        return head


def _of_torch(found: Any, path: Path) -> Model:
    if is_scvi(found):
        return scvi_model(
            found["model_state_dict"], found["var_names"], found["attr_dict"], str(path)
        )
    if is_scimilarity(found):
        return _scimilarity(found["state_dict"], path)
    if isinstance(found, dict) and any("z_encoder" in str(key) for key in list(found)[:1000]):
        raise InputError(say("convert.weights_alone", title=path))
    raise InputError(say("convert.not_a_model", title=path))


def _of_pickle(found: Any, path: Path) -> Model:
    if is_celltypist(found):
        return celltypist_model(found, str(path))
    if isinstance(found, Stub):
        refuse_kind(found.name, str(path))
    raise InputError(say("convert.not_a_model", title=path))


def _folder(folder: Path) -> Model:
    """Read what tools save as a folder; file names may have a prefix, as on hubs."""
    files = _files(folder)
    models = [path for path in files if path.name.endswith(_MODELS)]
    if not models:
        pickles = [path for path in files if path.suffix in (".pkl", ".pickle")]
        below = [path for inner in sorted(folder.iterdir()) for path in _files(inner)]
        models = pickles + [path for path in below if path.name.endswith(_MODELS)]
    if len(models) > 1:
        found = ", ".join(path.relative_to(folder).as_posix() for path in models[:5])
        raise InputError(say("convert.several_models", title=folder, found=found))
    if models:
        return _of_weights(models[0]) if models[0].name.endswith(_WEIGHTS) else _file(models[0])
    for path in files:
        _refuse_by_beginning(_begins(path), path)
        if path.suffix in (".joblib", ".npz"):
            return _file(path)
    raise InputError(say("convert.nothing_in_folder", title=folder))


def _files(folder: Path) -> list[Path]:
    """Files in a folder; none in what is no folder."""
    try:
        return sorted(path for path in folder.iterdir() if path.is_file())
    except NotADirectoryError:
        return []
    except OSError as error:
        raise InputError(
            say("convert.unreadable_model", title=folder, reason=first_line(error))
        ) from None


def _begins(path: Path) -> bytes:
    return bytes(read_bytes(path)[:_BEGINNING]) if path.stat().st_size else b""


def _of_weights(path: Path) -> Model:
    folder, prefix = path.parent, path.name.removesuffix(_WEIGHTS)
    names, attributes = folder / f"{prefix}{_NAMES}", folder / f"{prefix}{_ATTRIBUTES}"
    lacking = [one.name for one in (names, attributes) if not one.is_file()]
    if lacking:
        raise InputError(say("convert.lacks_files", title=folder, lacking=" and ".join(lacking)))
    genes, said, state = _names(names), read_attributes(attributes), read_torch(path)
    if is_scpoli(state, said):
        return scpoli_model(state, genes, said, str(folder))
    if isinstance(said, dict) and (kind := scarches_kind(said)):
        refuse_kind(kind, str(folder))
    return scvi_model(state, genes, said, str(folder))


def _scimilarity(state: Any, path: Path) -> ScimilarityModel:
    prefix = path.name.removesuffix(_ENCODER) if path.name.endswith(_ENCODER) else ""
    genes, classes = (path.with_name(f"{prefix}{name}") for name in (_GENES, _CLASSES))
    if not genes.is_file():
        raise InputError(say("convert.lacks_genes", title=path, lacking=genes.name))
    # a row of numbers and names below a heading
    names = [row[1] for row in _rows(classes)[1:] if len(row) > 1] if classes.is_file() else []
    return scimilarity_model(state, _names(genes), names, str(path))


def _names(path: Path) -> list[str]:
    """Gene names, a line each."""
    return [row[0].strip() for row in _rows(path)]


def _rows(path: Path) -> list[list[str]]:
    found: list[list[str]] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            for row in csv.reader(handle):
                found += [row] if row else []
                if len(found) > MOST_GENES or sum(map(len, row)) > _LONGEST_LINE:
                    raise ValueError
    except (OSError, ValueError, csv.Error):
        raise InputError(say("convert.bad_names", title=path)) from None
    return found
