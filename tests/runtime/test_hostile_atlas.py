"""Atlas files made to harm, each with a correct seal: a forger can compute that too."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from cellport.runtime.atlas import file as atlas_file
from cellport.runtime.atlas import seal
from cellport.runtime.atlas.arrays import ARRAYS
from cellport.runtime.atlas.file import (
    MANIFEST,
    npy_bytes,
    open_atlas_file,
)
from cellport.runtime.errors import AtlasError
from cellport.runtime.version import FORMAT_VERSION, __version__

SEAL = seal.MARK


def _refused(path: Path, match: str) -> None:
    with pytest.raises(AtlasError, match=match):
        open_atlas_file(path)


# other files


def test_missing_file_and_folder(tmp_path: Path) -> None:
    _refused(tmp_path / "none.cellport", "No such atlas file")
    _refused(tmp_path, "No such atlas file")


@pytest.mark.parametrize("data", [b"hello" * 100, b"\x89HDF\r\n\x1a\n" + bytes(500), bytes(500)])
def test_other_files_are_no_atlas(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "other.cellport"
    path.write_bytes(data)
    _refused(path, "not a whole cellport atlas")


def test_ordinary_zip_is_no_atlas(tmp_path: Path) -> None:
    path = tmp_path / "plain.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", b"x" * 500)
    _refused(path, "not a whole cellport atlas")


def test_sealed_bytes_that_are_no_zip(tmp_path: Path, forgery: Any) -> None:
    path = tmp_path / "odd.cellport"
    path.write_bytes(forgery.sealed(b"PK\x03\x04" + bytes(100) + SEAL + b"0" * 64))
    _refused(path, "not a valid zip")


# hostile zips, each with a correct seal


def test_the_forger_forges_well(forged: Callable[..., Path], forgery: Any) -> None:
    assert open_atlas_file(forged()).manifest == forgery.manifest()


@pytest.mark.parametrize(
    "name",
    [
        "../outside.npy", "arrays/../../outside.npy", "/etc/passwd", "C:\\evil.npy",
        "arrays\\evil.npy", "arrays/", "evil.py", "arrays/evil.pkl", "README.md/",
        "arrays/A.npy", "arrays/deep/a.npy", "arrays/ä.npy",
    ],
)  # fmt: skip
def test_names_that_no_atlas_holds(name: str, forged: Callable[..., Path]) -> None:
    _refused(forged({name: b"x"}), "which no atlas holds")


def test_extra_member_that_the_manifest_does_not_list(tmp_path: Path, forgery: Any) -> None:
    members = forgery.members()
    entries = [(MANIFEST, json.dumps(forgery.text(members)).encode()), *members.items()]
    entries.append(("arrays/extra.npy", npy_bytes(np.ones(3))))
    _refused(forgery.forge(tmp_path / "a.cellport", entries), "not those its manifest lists")


def test_listed_member_that_is_missing(tmp_path: Path, forgery: Any) -> None:
    members = forgery.members()
    text = json.dumps(forgery.text(members)).encode()
    del members["decoder.onnx"]
    path = forgery.forge(tmp_path / "a.cellport", [(MANIFEST, text), *members.items()])
    _refused(path, "not those its manifest lists")


# what every trained atlas has
OF_TRAINED = ("always", "reference", "centre", "cap", "factors")


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        *atlas_file.GRAPHS,
        *(f"arrays/{spec.name}.npy" for spec in ARRAYS if spec.when in OF_TRAINED),
        "arrays/canary_latent.npy",
        "arrays/canary_label_prob.npy",
    ],
)
def test_member_that_every_atlas_has(name: str, forged: Callable[..., Path]) -> None:
    _refused(forged({name: None}), f"lacks {name}")


@pytest.mark.parametrize("dtype", ["f8", ">f4", "i4"])
def test_array_of_another_type(dtype: str, forged: Callable[..., Path], forgery: Any) -> None:
    array = forgery.arrays(forgery.manifest())["gene_mean"].astype(dtype)
    path = forged({"arrays/gene_mean.npy": npy_bytes(array)})
    _refused(path, r"holds arrays/gene_mean\.npy of type .*, which does not fit its manifest")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", ["encoder.onnx", MANIFEST])
def test_member_held_twice(tmp_path: Path, name: str, forgery: Any) -> None:
    members = forgery.members()
    text = json.dumps(forgery.text(members)).encode()
    entries = [(MANIFEST, text), *members.items(), (name, members.get(name, text))]
    _refused(forgery.forge(tmp_path / "a.cellport", entries), "twice")


def test_compressed_member(forged: Callable[..., Path]) -> None:
    path = forged(compression=zipfile.ZIP_DEFLATED)
    _refused(path, "is compressed")


def test_wrong_hash_in_the_manifest(forged: Callable[..., Path], forgery: Any) -> None:
    members = forgery.members()
    hashes = forgery.text(members)["members"]
    hashes["decoder.onnx"]["sha256"] = "0" * 64
    _refused(forged(text={"members": hashes}), "does not match its hash")


def _central(data: bytes, name: str) -> int:
    """Position of the central directory's entry of a member."""
    at = data.index(b"PK\x01\x02")
    while data[at + 46 :][: len(name)] != name.encode():
        at = data.index(b"PK\x01\x02", at + 4)
    return at


@pytest.mark.parametrize("offset", [10_000_000, 0x7FFFFFFF])
def test_member_beyond_the_file(small: Path, offset: int, forgery: Any) -> None:
    data = bytearray(small.read_bytes())
    struct.pack_into("<I", data, _central(data, "decoder.onnx") + 42, offset)
    small.write_bytes(forgery.sealed(bytes(data)))
    _refused(small, r"decoder\.onnx lies outside the file")


@pytest.mark.parametrize("size", [10_000_000, 0xFFFFFFF0])
def test_member_larger_than_the_file(small: Path, size: int, forgery: Any) -> None:
    data = bytearray(small.read_bytes())
    struct.pack_into("<II", data, _central(data, "decoder.onnx") + 20, size, size)
    small.write_bytes(forgery.sealed(bytes(data)))
    _refused(small, r"decoder\.onnx lies outside the file")


def test_member_whose_local_header_has_another_name(small: Path, forgery: Any) -> None:
    data = small.read_bytes()
    at = data.index(b"decoder.onnx", data.index(b"PK\x03\x04", 4))
    small.write_bytes(forgery.sealed(data[:at] + b"encoder.onnx" + data[at + 12 :]))
    _refused(small, r"decoder\.onnx lies outside the file")


def test_encrypted_member(small: Path, forgery: Any) -> None:
    data = bytearray(small.read_bytes())
    data[_central(data, "decoder.onnx") + 8] |= 1
    small.write_bytes(forgery.sealed(bytes(data)))
    _refused(small, "encrypted")


def test_thousands_of_members(forged: Callable[..., Path]) -> None:
    extra: dict[str, bytes | None] = {
        f"arrays/a{a}{b}{c}.npy": b""
        for a in "abcdefghij"
        for b in "0123456789"
        for c in "0123456789x"
    }
    _refused(forged(extra), "no atlas has that many")


# hostile manifests


def test_zip_without_manifest(tmp_path: Path, forgery: Any) -> None:
    path = forgery.forge(tmp_path / "a.cellport", list(forgery.members().items()))
    _refused(path, "not a cellport atlas")


def test_huge_manifest(forged: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atlas_file, "_LARGEST_MANIFEST", 10_000)
    _refused(forged(text=b" " * 10_001), "its manifest has 10,001 bytes")


@pytest.mark.parametrize(
    "text",
    [b"", b"[]", b"7", b"{", b"\xff\xfe", b"[" * 200_000, b'{"a":' * 100_000, b"9" * 5000],
    ids=["empty", "list", "number", "open", "not utf-8", "deep list", "deep object", "long number"],
)
def test_manifest_that_is_no_json_object(text: bytes, forged: Callable[..., Path]) -> None:
    _refused(forged(text=text), "not valid JSON")


@pytest.mark.parametrize("version", [FORMAT_VERSION + 1, 99])
def test_newer_format(version: int, forged: Callable[..., Path]) -> None:
    path = forged(text={"format_version": version})
    _refused(path, f"atlas format {version}.*Update cellport")


@pytest.mark.parametrize("version", [None, 0, -1, "1", 1.0, True, [], {}])
def test_odd_format_version(version: Any, forged: Callable[..., Path]) -> None:
    path = forged(text={"format_version": version})
    _refused(path, "atlas format.*Get the atlas again")


@pytest.mark.parametrize("newer", ["99.0.0", "0.1.1", "1"])
def test_newer_minimum_runtime(newer: str, forged: Callable[..., Path]) -> None:
    path = forged(text={"minimum_runtime": newer})
    _refused(path, f"needs cellport {newer}.*this is {__version__}.*Update")


@pytest.mark.parametrize("requires", [{"flying": "0.7.0"}, {"flying": "0.7.0", "swimming": "9"}])
def test_a_feature_of_a_later_version(
    requires: dict[str, str], forged: Callable[..., Path]
) -> None:
    """Refused by its name, with the version that knows it, whatever else the manifest holds."""
    path = forged(text={"requires": requires, "input": {"shape": "round"}})
    _refused(path, rf"uses flying, which cellport 0\.7\.0 and newer know; this is {__version__}")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("input.scale", True),
    ],
)
def test_what_is_not_built_yet(name: str, value: Any, forged: Callable[..., Path]) -> None:
    path = forged(text={name: value})
    _refused(
        path,
        rf"its {name} is {json.dumps(value)}, with which cellport {__version__} cannot map yet",
    )


@pytest.mark.parametrize("name", ["input.library", "fill", "head.kind", "head.calibration.state"])
def test_values_that_no_version_knows_yet(name: str, forged: Callable[..., Path]) -> None:
    path = forged(text={name: "guess"})
    _refused(path, rf'its {name} is "guess", which cellport {__version__} does not know. Update')


def test_answers_that_mapping_needs(forged: Callable[..., Path], forgery: Any) -> None:
    others = [name for name in forgery.manifest().answers if name != "latent"]
    _refused(forged(text={"answers": others}), "does not answer 'latent', without which")


@pytest.mark.parametrize(
    ("fields", "contradicted"),
    [
        ({"answers": ["latent", "label_prob", "umap"]}, "answers"),
        ({"answers": ["latent", "label_prob", "novelty_score"]}, "answers"),
        ({"answers": ["latent", "umap", "novelty_score"]}, "answers"),
        ({"head.kind": "sigmoids"}, "answers"),
        ({"head.set_prob": [0.5]}, "head.set_prob"),
        ({"fill": "zero"}, "fill"),
        ({"fill": "mean", "input.centre": False}, "fill"),
        ({"input.library": "none"}, "input.target"),
        ({"input.target": None}, "input.target"),
        ({"batches": []}, "batches"),
        (
            {"answers": ["latent", "label_prob"], "structure": {"clusters": ["0"]}},
            "structure",
        ),
    ],
)
def test_fields_that_contradict_each_other(
    fields: dict[str, Any], contradicted: str, forged: Callable[..., Path]
) -> None:
    _refused(forged(text=fields), f"field '{contradicted}' of its manifest does not fit")


NUMBERS = [None, "1", True, [], float("nan"), float("inf"), -1, 10**400]
LISTS = [None, "text", {}, [1], [None]]
TEXTS = [None, 1, []]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("input.target", value) for value in [*NUMBERS[1:], 0]],
        *[("n_latent", value) for value in [*NUMBERS, 2.5]],
        *[("thresholds.call_prob", value) for value in NUMBERS],
        *[("thresholds", value) for value in (None, [], 1)],
        *[("structure", value) for value in ([], 1, "text")],
        *[("structure", {"clusters": value}) for value in LISTS],
        *[(name, value) for name in ("panel.symbols", "panel.ensembl") for value in LISTS],
        *[(name, value) for name in ("labels", "batches", "answers") for value in LISTS],
        *[("parents", value) for value in (None, [], "text", {"B cell": 1})],
        *[("head.set_prob", value) for value in (None, {}, "text", ["1"], [-1, 0], [float("nan")])],
        *[(name, value) for name in ("name", "organism", "fill") for value in TEXTS],
        *[(f"provenance.{name}", value) for name in ("created", "licence") for value in TEXTS],
        *[("provenance.training", value) for value in (None, [], 1)],
        *[("minimum_runtime", value) for value in (None, 1, "", "soon", "9" * 5000, "1.x")],
        *[("requires", value) for value in (None, [], "text")],
        *[("held_out", value) for value in ([], {}, {"by": "batch"})],
    ],
    ids=lambda value: str(value)[:30],
)
def test_malformed_field_is_named(name: str, value: Any, forged: Callable[..., Path]) -> None:
    path = forged(text={name: value})
    _refused(path, rf"field '{name}[.a-z_]*' of its manifest is missing or malformed")


GRAPH = {"milestones": ["a", "b"], "edges": [[0, 1]], "terminals": [1]}


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("panel", {"panel.symbols": ["A"]}),
        ("panel", {"panel.symbols": [], "panel.ensembl": []}),
        ("head.set_prob", {"labels": ["A"]}),
        ("labels", {"labels": ["A", "A"]}),
        ("head", {"labels": [], "head.set_prob": [], "parents": {}}),
        ("head", {"head.kind": "none"}),
        ("head.set_prob", {"head.set_prob": [0.5]}),
        ("answers", {"answers": ["latent", "novelty_score", "umap"]}),
        ("batches", {"batches": []}),
        ("structure.clusters", {"structure": {"clusters": ["0", "0"]}}),
        *[
            ("structure.trajectory", {"structure": {"clusters": ["0"], "trajectory": graph}})
            for graph in (
                {**GRAPH, "edges": [[0, 2]]},
                {**GRAPH, "terminals": [2]},
                {**GRAPH, "terminals": [1, 1]},
                {**GRAPH, "terminals": []},
                {**GRAPH, "edges": []},
                {**GRAPH, "milestones": ["a", "a"]},
            )
        ],
    ],
)
def test_lists_that_do_not_fit(
    name: str, fields: dict[str, Any], forged: Callable[..., Path]
) -> None:
    _refused(forged(text=fields), f"field '{name}' of its manifest does not fit the others")


@pytest.mark.parametrize("parents", [{"B cell": "B cell"}, {"plant": "root"}])
def test_tree_that_is_none(parents: dict[str, str], forged: Callable[..., Path]) -> None:
    _refused(forged(text={"parents": parents}), "label tree")


@pytest.mark.parametrize("members", [None, [], {}, {"README.md": "x"}])
def test_odd_list_of_members(members: Any, forged: Callable[..., Path]) -> None:
    path = forged(text={"members": members})
    _refused(path, "not those its manifest lists")


@pytest.mark.parametrize("entry", [None, "x", {}, {"sha256": 3}])
def test_odd_entry_in_the_list_of_members(
    entry: Any, forged: Callable[..., Path], forgery: Any
) -> None:
    path = forged(text={"members": dict.fromkeys(forgery.members(), entry)})
    _refused(path, "does not match its hash")


# hostile arrays


def _npy(header: str, body: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    text = header.encode("latin-1")
    text += b" " * (-len(text) - 11 & 63) + b"\n"
    return b"\x93NUMPY" + version + struct.pack("<H", len(text)) + text + body


def _header(shape: str = "(3)", descr: str = "'<f4'", fortran: str = "False") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}"


def _pickled() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([print, None], object), allow_pickle=True)
    return buffer.getvalue()


HOSTILE_ARRAYS = {
    "pickle": _pickled(),
    "object": _npy(_header(descr="'|O'"), bytes(24)),
    "structured": _npy(_header(descr="[('a', '<f4')]"), bytes(12)),
    "text": _npy(_header(descr="'<U1'"), bytes(12)),
    "complex": _npy(_header(descr="'<c8'"), bytes(24)),
    "no such type": _npy(_header(descr="'zzz'"), bytes(12)),
    "type of a list": _npy(_header(descr="[('a', 1)]"), bytes(12)),
    "larger shape": _npy(_header("(4,)"), bytes(12)),
    "smaller shape": _npy(_header("(2,)"), bytes(12)),
    "huge shape": _npy(_header("(10000000000000000000000,)"), bytes(12)),
    "huge and empty": _npy(_header("(10000000000000000000000, 0)")),
    "negative shape": _npy(_header("(-1,)"), bytes(12)),
    "twice negative": _npy(_header("(-1, -3)"), bytes(12)),
    "too many axes": _npy(_header("(" + "1," * 65 + ")"), bytes(4)),
    "shape of text": _npy(_header("('3',)"), bytes(12)),
    "fortran": _npy(_header("(3, 1)", fortran="True"), bytes(12)),
    "newer npy": _npy(_header(), bytes(12), version=b"\x02\x00"),
    "open bracket": _npy("((("),
    "deep": _npy("-" * 9000 + "1"),
    "code": _npy("__import__('os').getcwd()"),
    "no header": b"\x93NUMPY\x01\x00",
    "empty": b"",
    "other file": b"PK\x03\x04 and so on",
}


@pytest.mark.parametrize("kind", HOSTILE_ARRAYS)
def test_hostile_array_is_refused(kind: str, forged: Callable[..., Path]) -> None:
    path = forged({"arrays/gene_mean.npy": HOSTILE_ARRAYS[kind]})
    with pytest.raises(AtlasError, match=r"a\.cellport, arrays/gene_mean\.npy is not a "):
        open_atlas_file(path).array("gene_mean")


GOOD_NPY = npy_bytes(np.ones((3, 4), np.float32))


@given(
    changes=st.lists(
        st.tuples(
            st.integers(0, 127), st.sampled_from(b"(){}[],'-0129:LTrue \n\\") | st.integers(0, 255)
        ),
        min_size=1,
        max_size=6,
    )
)
@settings(max_examples=500, deadline=None)
@pytest.mark.filterwarnings("ignore:Reading `.npy`")
def test_damaged_array_headers_raise_nothing_but_atlas_errors(
    changes: list[tuple[int, int]],
) -> None:
    data = bytearray(GOOD_NPY)
    for at, value in changes:
        data[at] = value
    try:
        found = atlas_file._read_npy(memoryview(bytes(data)), "a")
    except AtlasError:
        return
    assert found.nbytes <= 128 + 48


# hostile graphs


def _external() -> bytes:
    tensor = TensorProto(name="w", data_type=1, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="../../etc/passwd")
    graph = helper.make_graph([], "g", [], [], initializer=[tensor])
    return bytes(helper.make_model(graph).SerializeToString())


@pytest.mark.parametrize("name", [*atlas_file.GRAPHS, "another.onnx"])
def test_graph_with_external_data(name: str, forged: Callable[..., Path]) -> None:
    path = forged({name: _external()})
    _refused(path, f"{name} refers to data outside the atlas")


@given(graph=st.binary(min_size=1, max_size=100))
@settings(max_examples=50, deadline=None)
def test_random_bytes_as_graph(
    tmp_path_factory: pytest.TempPathFactory, graph: bytes, forgery: Any
) -> None:
    path = tmp_path_factory.getbasetemp() / "graph.cellport"
    forgery.forged(path, {"encoder.onnx": graph})
    try:
        assert bytes(open_atlas_file(path).read("encoder.onnx")) == graph
    except AtlasError as error:
        assert "encoder.onnx" in str(error)  # noqa: PT017 - either is right
