"""Published models by name: fetched as their hubs serve them, converted once, kept."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from typing import Any
from unittest.mock import ANY
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from click.testing import CliRunner
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from cellport import ConvertOptions, convert_model, load_atlas
from cellport.cli import main
from cellport.runtime.atlas.file import open_atlas_file
from cellport.runtime.errors import AtlasError, OutputError
from cellport.runtime.fetch import celltypist, hugging_face, published
from cellport.runtime.fetch.listing import list_atlases
from cellport.runtime.fetch.model_name import ModelName, read_model_name
from cellport.runtime.fetch.published import prepare_published
from cellport.runtime.fetch.pull import find_atlas, pull

from .conftest import COMMIT, Hubs, Repository

FOREIGN = Path(__file__).resolve().parents[2] / "data" / "foreign"
EIGHT, TWO = FOREIGN / "celltypist_eight" / "model.pkl", FOREIGN / "celltypist_two" / "model.pkl"
SCANVI = FOREIGN / "scanvi_default" / "model.pt"


def read(model: str) -> dict[str, bytes]:
    """Files of a model as its package wrote them."""
    skip = ("answers.npz", "meta.json", "layer_sizes.json")
    folder = FOREIGN / model
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name not in skip}


@pytest.fixture
def lung(hubs: Hubs) -> Repository:
    files = read("scanvi_default") | {"adata.h5ad": bytes(1000)}
    return hubs.add("scvi/lung", files, large={"model.pt", "adata.h5ad"})


def left(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir() if not path.name.endswith(".lock"))


# --- CellTypist


def test_celltypist_model_is_fetched_and_converted_once(hubs: Hubs, cache: Path) -> None:
    hubs.list_pickles(Immune_All_Low=EIGHT, Two=TWO)
    made = pull("celltypist:Immune_All_Low")
    assert (made.fetched, made.name) == (True, "Immune_All_Low")
    assert any("probabilities are as that model" in note for note in made.notes)
    assert left(cache) == ["celltypist%3AImmune_All_Low.cellport", "celltypist-models.json"]
    sha256 = hashlib.sha256(EIGHT.read_bytes()).hexdigest()
    provenance = open_atlas_file(Path(made.path)).manifest.provenance
    assert provenance.source == (
        "cells of Immune_All_Low: "
        f"{hubs.storage}/models/Immune_All_Low/v2/Immune_All_Low.pkl (v2, 2022-07-16), "
        f"SHA-256 {sha256}"
    )
    assert "cite https://doi.org/10.1126/science.abl5197" in provenance.attribution
    assert provenance.licence == ""
    asked = len(hubs.asked)
    for name in ("celltypist:Immune_All_Low", "celltypist:Immune_All_Low.pkl"):
        again = pull(name)
        assert (again.fetched, again.sha256) == (False, made.sha256)
    assert find_atlas("celltypist:Immune_All_Low") == Path(made.path)
    assert len(hubs.asked) == asked == 2
    assert pull("celltypist:Immune_All_Low", refresh=True).fetched
    assert len(hubs.asked) == asked + 2


def test_it_answers_as_one_that_was_converted_from_the_file(hubs: Hubs, tmp_path: Path) -> None:
    hubs.list_pickles(Eight=EIGHT)
    convert_model(EIGHT, tmp_path / "eight.cellport", ConvertOptions())
    with np.load(FOREIGN / "cells.npz") as cells:
        counts, genes = cells["query.counts"], cells["query.genes"].tolist()
    results = [
        load_atlas(atlas).map((csr_matrix(np.asarray(counts, np.float32)), genes))
        for atlas in ("celltypist:Eight", tmp_path / "eight.cellport")
    ]
    for name in ("X_cellport", "cellport_label", "cellport_prob"):
        np.testing.assert_array_equal(results[0][name], results[1][name])


def test_unknown_celltypist_model_has_near_names(hubs: Hubs, cache: Path) -> None:
    hubs.list_pickles(Immune_All_Low=EIGHT, Two=TWO)
    with pytest.raises(
        AtlasError, match=r"no model 'immune_all_lo'. Did you mean 'Immune_All_Low'"
    ):
        pull("celltypist:immune_all_lo")


@pytest.mark.parametrize(
    "index",
    [
        [],
        {},
        {"models": []},
        {"models": "x"},
        {"models": [{"filename": "../../x.pkl", "url": "x"}]},
    ],
)
def test_another_index_is_refused(hubs: Hubs, index: Any) -> None:
    hubs.index = index
    with pytest.raises(AtlasError, match="something else than CellTypist's index"):
        pull("celltypist:Immune_All_Low")


def test_rows_of_the_index_that_name_no_model_are_passed_over(hubs: Hubs) -> None:
    hubs.list_pickles(Eight=EIGHT)
    wrong = [3, {}, {"filename": "Five.pkl", "url": 5}, {"filename": "a/b.pkl", "url": "x"}]
    hubs.index["models"] = [*wrong, *hubs.index["models"]]
    with pytest.raises(AtlasError, match=r"There are: 'Eight'\.|Did you mean 'Eight'"):
        pull("celltypist:Five")


def test_index_may_name_addresses_beside_it_but_only_of_the_web(hubs: Hubs) -> None:
    hubs.list_pickles(Eight=EIGHT)
    hubs.index["models"][0]["url"] = "file:///etc/passwd"
    with pytest.raises(AtlasError, match="only http"):
        pull("celltypist:Eight")
    hubs.index["models"][0]["url"] = "Eight.pkl"
    with pytest.raises(AtlasError, match=rf"{hubs.hub}/Eight.pkl cannot be fetched"):
        pull("celltypist:Eight")


def test_index_that_is_encrypted_names_no_address_that_is_not(
    hubs: Hubs, monkeypatch: pytest.MonkeyPatch
) -> None:
    hubs.list_pickles(Eight=EIGHT)
    index = json.dumps(hubs.index).encode()
    monkeypatch.setattr(celltypist, "fetch_small", lambda *_: index)
    monkeypatch.setenv("CELLPORT_CELLTYPIST_INDEX", "https://mirror.example/models.json")
    with pytest.raises(AtlasError, match="leads to an address that is not encrypted"):
        pull("celltypist:Eight")


def test_sha256_is_that_of_the_model(hubs: Hubs, cache: Path) -> None:
    hubs.list_pickles(Eight=EIGHT)
    with pytest.raises(AtlasError, match=r"not 0{64} as it should"):
        pull("celltypist:Eight", sha256="0" * 64)
    assert left(cache) == ["celltypist-models.json"]
    right = hashlib.sha256(EIGHT.read_bytes()).hexdigest()
    assert pull("celltypist:Eight", sha256=right.upper()).fetched
    assert not pull("celltypist:Eight", sha256=right).fetched
    with pytest.raises(AtlasError, match="another SHA-256"):
        pull("celltypist:Eight", sha256="0" * 64)


def test_no_network_says_what_is_here(hubs: Hubs, monkeypatch: pytest.MonkeyPatch) -> None:
    hubs.list_pickles(Eight=EIGHT)
    pull("celltypist:Eight")
    monkeypatch.setenv("CELLPORT_CELLTYPIST_INDEX", "http://127.0.0.1:9/models.json")
    assert not pull("celltypist:Eight").fetched
    with pytest.raises(
        AtlasError, match=r"reached .*Check .* network.* without a network: celltypist:Eight\."
    ):
        pull("celltypist:Two")


# --- Hugging Face


def test_repository_is_fetched_and_converted_once(
    hubs: Hubs, lung: Repository, cache: Path
) -> None:
    made = pull("hf:scvi/lung")
    assert (made.fetched, made.name, made.source) == (True, "lung", "hf:scvi/lung")
    assert left(cache) == ["hf%3Ascvi%2Flung.cellport"]
    manifest = open_atlas_file(Path(made.path)).manifest
    sha256 = hashlib.sha256(lung.files["model.pt"]).hexdigest()
    assert manifest.provenance.source == (
        f"{hubs.hub}/scvi/lung, model.pt of revision {COMMIT}, SHA-256 {sha256}"
    )
    assert manifest.provenance.licence == "cc-by-4.0"
    assert manifest.provenance.authors == "scvi on Hugging Face"
    assert manifest.provenance.attribution == (
        f"{hubs.hub}/scvi/lung (cc-by-4.0), converted, not retrained. "
        "Sikkema et al. (2023). Nature Medicine."
    )
    assert not any("adata" in path for _, path, _, _ in hubs.asked)
    asked = len(hubs.asked)
    assert not pull("hf:scvi/lung").fetched
    assert find_atlas("hf:scvi/lung") == Path(made.path)
    assert len(hubs.asked) == asked
    # a commit does not change, so what was made of it stays
    assert not pull("hf:scvi/lung", refresh=True).fetched
    assert not any(kind == "storage" for kind, *_ in hubs.asked[asked:])


def test_refresh_mends_what_was_damaged(hubs: Hubs, lung: Repository) -> None:
    path = find_atlas("hf:scvi/lung")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(AtlasError, match="not a whole cellport atlas"):
        find_atlas("hf:scvi/lung")
    assert pull("hf:scvi/lung", refresh=True).fetched
    assert open_atlas_file(find_atlas("hf:scvi/lung")).manifest.name == "lung"


@pytest.mark.parametrize(
    "model", ["scanvi_014_default", "scpoli_058", "scimilarity", "celltypist_two"]
)
def test_models_of_several_files(hubs: Hubs, model: str) -> None:
    files = read(model)
    hubs.add("a/b", {f"x/{name}": data for name, data in files.items()}, blobs=False)
    made = pull("hf:a/b/x")
    assert made.fetched
    assert made.name == "b-x"


def test_repository_of_several_models(hubs: Hubs) -> None:
    files = {"celltypist.pkl": EIGHT.read_bytes(), "svm.joblib": b"x"}
    files |= {f"{kind}/model.pt": SCANVI.read_bytes() for kind in ("scanvi", "scvi")}
    hubs.add("popV/lung", files)
    with pytest.raises(
        AtlasError,
        match=r"several models: give one of hf:popV/lung@main/celltypist.pkl, "
        r"hf:popV/lung@main/scanvi/model.pt, hf:popV/lung@main/scvi/model.pt\.",
    ):
        pull("hf:popV/lung@main")
    assert pull("hf:popV/lung/scanvi").name == "lung-scanvi"
    assert pull("hf:popV/lung/celltypist.pkl").fetched
    with pytest.raises(AtlasError, match=r"has no harmony. It has README.md, celltypist.pkl"):
        pull("hf:popV/lung/harmony")


def test_repository_without_a_model_says_what_it_has(hubs: Hubs) -> None:
    hubs.add("a/b", {f"{i}.h5ad": b"x" for i in range(12)})
    with pytest.raises(AtlasError, match=r"holds no model .* It has README.md, 0.h5ad.* 5 more"):
        pull("hf:a/b")


def test_atlas_on_the_hub_is_taken_as_it_is(hubs: Hubs, small: Path, cache: Path) -> None:
    data = small.read_bytes()
    repository = hubs.add(
        "a/b", {"b.cellport": data, "model.pt": SCANVI.read_bytes()}, large={"b.cellport"}
    )
    made = pull("hf:a/b", sha256=hashlib.sha256(data).hexdigest())
    assert (made.fetched, made.name, made.notes) == (True, "small", ())
    assert Path(made.path).read_bytes() == data
    assert not pull("hf:a/b", sha256=made.sha256, refresh=True).fetched
    repository.files["c.cellport"] = data[:-1]
    with pytest.raises(AtlasError, match="several models"):
        pull("hf:a/b", refresh=True)
    with pytest.raises(AtlasError, match=r"damaged|not a whole"):
        pull("hf:a/b/c.cellport")
    assert left(cache) == ["hf%3Aa%2Fb.cellport"]


def test_converted_otherwise_it_is_not_kept(hubs: Hubs, lung: Repository, cache: Path) -> None:
    name = read_model_name("hf:scvi/lung")
    how = ConvertOptions(licence="mine", name="lungs", as_batch="north")
    with pytest.raises(AtlasError, match="none can be chosen"):
        prepare_published(name, how)
    made = prepare_published(name, replace(how, as_batch=None)).manifest
    assert (made.name, made.provenance.licence) == ("lungs", "mine")
    assert made.provenance.source.startswith(f"{hubs.hub}/scvi/lung, model.pt")
    assert left(cache) == []
    hubs.add("a/b", {"b.cellport": b"x"})
    with pytest.raises(AtlasError, match=r"an atlas already: cellport pull hf:a/b -o"):
        prepare_published(read_model_name("hf:a/b"), how)


def test_reference_cells_are_added_to_a_model_by_name(
    hubs: Hubs, lung: Repository, cache: Path, tmp_path: Path
) -> None:
    cells, reference = np.load(FOREIGN / "cells.npz"), tmp_path / "cells.h5ad"
    obs = pd.DataFrame({key: cells[f"reference.{key}"].astype(str) for key in ("label", "batch")})
    obs.index = pd.Index(list(map(str, obs.index)))
    var = pd.DataFrame(index=cells["reference.genes"].astype(str))
    AnnData(csr_matrix(cells["reference.counts"].astype(np.float32)), obs, var).write(reference)
    out = tmp_path / "out.cellport"
    words = ["convert", "hf:scvi/lung", "-o", str(out), "--reference", str(reference)]
    refused = CliRunner().invoke(main, [*words, "--labels", "typo"])
    assert "no column 'typo'" in refused.output
    assert not out.exists()
    done = CliRunner().invoke(main, [*words, "--labels", "label", "--batch", "batch"])
    assert done.exit_code == 0, done.output
    made = open_atlas_file(out).manifest
    assert made.has_reference
    assert made.held_out is not None
    assert made.provenance.source.startswith(f"{hubs.hub}/scvi/lung, model.pt")
    assert made.provenance.licence == "cc-by-4.0"
    assert left(cache) == []


def test_model_of_another_kind_is_refused_by_its_name(hubs: Hubs, cache: Path) -> None:
    hubs.add("a/b", read("refused_totalvi"))
    with pytest.raises(AtlasError, match=r"^hf:a/b is a model of another kind \(TOTALVI\)"):
        pull("hf:a/b")
    assert left(cache) == []


@pytest.mark.parametrize("answer", [b"<html>", b"[]", b'{"siblings": 3}', b"[" * 100_000])
def test_another_answer_than_a_list_of_files(
    hubs: Hubs, lung: Repository, answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hugging_face, "fetch_small", lambda *_: answer)
    with pytest.raises(AtlasError, match="something else than a list of files"):
        pull("hf:scvi/lung")


def test_paths_out_of_the_folder_are_no_files(hubs: Hubs) -> None:
    hubs.add("a/b", {"../model.pt": b"x", "x/../../model.pt": b"x", "x\\..\\model.pt": b"x"})
    with pytest.raises(AtlasError, match=r"no model .* It has README.md\."):
        pull("hf:a/b")


def test_revisions(hubs: Hubs, lung: Repository) -> None:
    lung.tags = ("main", "v1", "feature/x", "refs/pr/3", COMMIT)
    for revision in ("v1", "feature%2Fx", "refs/pr/3", COMMIT):
        made = pull(f"hf:scvi/lung@{revision}")
        assert made.fetched
        assert made.source == f"hf:scvi/lung@{revision}"
    with pytest.raises(AtlasError, match=r"scvi/lung has no revision 'v9': give a branch, a tag"):
        pull("hf:scvi/lung@v9")


def test_no_such_repository(hubs: Hubs, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AtlasError, match=r"no repository a/b: look at .*/a/b\. If it is private"):
        pull("hf:a/b")
    monkeypatch.setenv("HF_TOKEN", "hf_friend")
    with pytest.raises(AtlasError, match=r"no repository a/b: look at .*/a/b\.$"):
        pull("hf:a/b")
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(AtlasError, match="does not know the token in HF_TOKEN"):
        pull("hf:a/b")


def test_gated_repository(hubs: Hubs, lung: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    lung.gated = True
    with pytest.raises(
        AtlasError, match=r"accept its terms at .*/scvi/lung, make a token .*HF_TOKEN"
    ):
        pull("hf:scvi/lung")
    monkeypatch.setenv("HF_TOKEN", "hf_stranger")
    with pytest.raises(AtlasError, match=r"the one of HF_TOKEN is not.* Ask for access at"):
        pull("hf:scvi/lung")
    monkeypatch.setenv("HF_TOKEN", "hf_friend\n")
    assert pull("hf:scvi/lung").fetched


def test_token_goes_to_the_hub_alone(
    hubs: Hubs, lung: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    lung.private = True
    monkeypatch.setenv("HF_TOKEN", "hf_friend")
    hubs.list_pickles(Eight=EIGHT)
    pull("hf:scvi/lung")
    pull("celltypist:Eight")
    sent = {
        (kind, path.partition("?")[2] == "cached", token) for kind, path, _, token in hubs.asked
    }
    assert ("hub", True, "Bearer hf_friend") in sent  # led on within the hub
    assert {token for kind, path, _, token in hubs.asked if kind == "storage"} == {None}
    assert [token for _, path, _, token in hubs.asked if path == "/models.json"] == [None]


def test_token_that_is_none_is_not_sent_or_shown(
    hubs: Hubs, lung: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_a\nX-Other: b")
    with pytest.raises(AtlasError, match="HF_TOKEN holds blanks") as error:
        pull("hf:scvi/lung")
    assert "hf_a" not in str(error.value)
    assert hubs.asked == []


@pytest.mark.parametrize(
    ("after", "said"),
    [
        ("30", "in 30 seconds"),
        ("300", "in 5 minutes"),
        ("", "later"),
        ("99999999999", "later"),
        ("soon", "later"),
        pytest.param(formatdate(usegmt=True), "later", id="now"),
        (formatdate(2e9, usegmt=True), "later"),
    ],
)
def test_quota(hubs: Hubs, after: str, said: str) -> None:
    hubs.busy = after
    for name, more in (("hf:scvi/lung", r" The hub allows more.*HF_TOKEN\."), ("celltypist:X", "")):
        with pytest.raises(AtlasError, match=rf"HTTP 429\); try again {said}\.{more}$"):
            pull(name)


def test_goes_on_after_interruptions(hubs: Hubs, lung: Repository) -> None:
    hubs.break_after, hubs.breaks = len(lung.files["model.pt"]) // 4, 3
    assert pull("hf:scvi/lung").fetched
    ranges = [asked for kind, _, asked, _ in hubs.asked if kind == "storage"]
    assert ranges[0] is None
    assert len(ranges) == 4
    assert all(ranges[1:])


def test_goes_on_in_the_next_call(hubs: Hubs, lung: Repository, cache: Path) -> None:
    class Stopped(BaseException):
        pass

    def stop(done: int, total: int | None) -> None:
        raise Stopped

    hubs.break_after, hubs.breaks = len(lung.files["model.pt"]) // 2, 1
    with pytest.raises(Stopped):
        pull("hf:scvi/lung", on_progress=stop)
    assert left(cache) == ["hf%3Ascvi%2Flung.parts"]
    assert pull("hf:scvi/lung").fetched
    assert hubs.asked[-1][2] is not None
    assert left(cache) == ["hf%3Ascvi%2Flung.cellport"]


def test_what_was_left_of_another_file_is_fetched_anew(
    hubs: Hubs, lung: Repository, cache: Path
) -> None:
    class Stopped(BaseException):
        pass

    def stop(done: int, total: int | None) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        pull("hf:scvi/lung", on_progress=stop)
    (part,) = cache.rglob("model.pt")
    part.write_bytes(bytes(part.stat().st_size))
    assert pull("hf:scvi/lung").fetched


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"size": 5}, "bytes, not the 5 that its hub lists"),
        ({"lfs": {"sha256": "0" * 64}}, r"has the SHA-256 [0-9a-f]{64}, not the 0{64} that"),
    ],
)
def test_other_files_than_listed_are_refused(
    hubs: Hubs, lung: Repository, cache: Path, wrong: Any, said: str
) -> None:
    lung.wrong = {"model.pt": wrong}
    with pytest.raises(AtlasError, match=said):
        pull("hf:scvi/lung")
    assert not list(cache.glob("*.cellport"))
    lung.wrong = {}
    assert pull("hf:scvi/lung").fetched


def test_small_files_have_the_hash_of_git(hubs: Hubs) -> None:
    repository = hubs.add("a/b", read("scanvi_014_default"))
    repository.wrong = {"var_names.csv": {"blobId": "0" * 40}}
    with pytest.raises(AtlasError, match=r"var_names.csv has the SHA-1 of git"):
        pull("hf:a/b")
    repository.wrong = {}
    assert pull("hf:a/b").fetched


@pytest.mark.parametrize(
    ("card_data", "licence"),
    [
        ({"license": "mit"}, "mit"),
        ({"license": ["mit", "cc0-1.0"]}, "mit, cc0-1.0"),
        (
            {"license": "other", "license_name": "academic", "license_link": "https://x"},
            "academic (https://x)",
        ),
        ({"license": "a\x1b[31mb\nc"}, "a[31mb c"),
        ({}, "cc-by-4.0"),
        ("x", "cc-by-4.0"),
    ],
)
def test_licence(hubs: Hubs, lung: Repository, card_data: Any, licence: str) -> None:
    lung.card_data = card_data
    made = open_atlas_file(find_atlas("hf:scvi/lung")).manifest.provenance
    assert made.licence == licence


@pytest.mark.parametrize(
    ("front", "licence"),
    [
        ("license: mit", "mit"),
        ("license:\n- mit", "mit"),
        ("license:\nlibrary_name: scvi-tools", ""),
        ("tags: license", ""),
        ("license: 'bsd-3-clause' # x", "bsd-3-clause"),
    ],
)
def test_licence_of_the_card(hubs: Hubs, lung: Repository, front: str, licence: str) -> None:
    lung.files["README.md"] = f"---\r\n{front}\r\n---\r\nlicense: gpl".encode()
    assert open_atlas_file(find_atlas("hf:scvi/lung")).manifest.provenance.licence == licence


def test_repository_that_states_no_terms(hubs: Hubs, lung: Repository) -> None:
    lung.files["README.md"] = b"\xff# References\nTo be added: not provided by uploader\n"
    made = pull("hf:scvi/lung")
    assert any("No licence is stated" in note for note in made.notes)
    provenance = open_atlas_file(Path(made.path)).manifest.provenance
    assert provenance.attribution == f"{hubs.hub}/scvi/lung, converted, not retrained."


def test_more_than_the_bound_is_refused(hubs: Hubs, lung: Repository) -> None:
    with pytest.raises(AtlasError, match="more than the 1,000 allowed"):
        pull("hf:scvi/lung", largest=1000)


def test_ten_at_once_convert_once(
    hubs: Hubs, lung: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[Path] = []
    convert, calls = published._prepared, []

    def counted(*of: Any) -> Any:
        calls.append(of)
        return convert(*of)

    monkeypatch.setattr(published, "_prepared", counted)
    threads = [
        threading.Thread(target=lambda: found.append(find_atlas("hf:scvi/lung"))) for _ in range(10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 10
    assert len(calls) == 1


def test_cache_that_cannot_be_written(
    hubs: Hubs, lung: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CELLPORT_CACHE", str(tmp_path / "file"))
    with pytest.raises(OutputError, match="set CELLPORT_CACHE"):
        pull("hf:scvi/lung")


# --- names


_WORD = st.from_regex(
    r"[A-Za-z0-9][\w.-]{0,20}", fullmatch=True, alphabet=st.characters(codec="ascii")
)
_LINE = st.text(
    st.characters(codec="ascii", categories=("L", "N", "P", "Zs")), min_size=1, max_size=20
)


@given(_WORD, _WORD, st.just("") | _WORD | st.just("refs/pr/3") | st.just("a/b"), _LINE)
def test_name_is_told_by_its_text_and_its_file(
    owner: str, repo: str, revision: str, place: str
) -> None:
    assume(not {"", ".", ".."} & set(place.split("/")))
    name = ModelName("hf", f"{owner}/{repo}", revision, place)
    assume(len(name.path.name) <= 200)
    assert read_model_name(str(name)) == name
    assert unquote(name.path.name) == f"{name}.cellport"


@pytest.mark.parametrize(
    "name",
    [
        "celltypist:",
        "celltypist:a/b",
        "celltypist:..",
        "hf:lung",
        "hf:a/../b",
        "hf:../b",
        "hf:a/b/../../x",
        "hf:a/b@",
        "hf:a/b//x",
        f"hf:a/b/{'x' * 300}",
    ],
)
def test_no_names(name: str, cache: Path) -> None:
    with pytest.raises(
        AtlasError, match=r"is no name of a model. A model is named celltypist:NAME"
    ):
        pull(name)


def test_file_here_comes_before_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "celltypist:Eight").write_bytes(b"")
    assert find_atlas("celltypist:Eight") == Path("celltypist:Eight")


def test_list_of_names(hubs: Hubs, lung: Repository, cache: Path) -> None:
    shipped = [entry.name for entry, _ in list_atlases()]
    hubs.list_pickles(Eight=EIGHT, Two=TWO)
    pull("celltypist:Eight")
    pull("hf:scvi/lung@main")
    (cache / "hf%3Ano-name.cellport").write_bytes(b"")
    (cache / "hf%3Aa%2Fdamaged.cellport").write_bytes(b"x")
    asked = len(hubs.asked)
    listed = {entry.name: (entry, here) for entry, here in list_atlases()}
    assert list(listed) == [
        *shipped,
        "celltypist:Eight",
        "hf:a/damaged",
        "hf:scvi/lung@main",
        "celltypist:Two",
    ]
    entry, here = listed["celltypist:Two"]
    assert (here, entry.description) == (False, "cells of Two; 98 labels")
    entry, here = listed["hf:scvi/lung@main"]
    assert (here, entry.sha256, entry.size) == (
        True,
        ANY,
        Path(find_atlas(entry.name)).stat().st_size,
    )
    assert entry.description.startswith("SCANVI of scvi-tools")
    assert "damaged" in listed["hf:a/damaged"][0].description
    assert len(hubs.asked) == asked


def test_cache_that_is_only_read(hubs: Hubs, cache: Path) -> None:
    hubs.list_pickles(Eight=EIGHT)
    pull("celltypist:Eight")
    for path in cache.glob("*.lock"):
        path.unlink()
    there = sorted(cache.iterdir())
    assert not pull("celltypist:Eight").fetched
    assert sorted(cache.iterdir()) == there


def test_list_where_there_is_no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CELLPORT_CACHE")
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    assert all(entry.file for entry, _ in list_atlases())


def test_mapping_onto_a_kept_model_converts_nothing(hubs: Hubs) -> None:
    hubs.list_pickles(Eight=EIGHT)
    find_atlas("celltypist:Eight")
    code = (
        "import sys; from cellport import load_atlas; load_atlas('celltypist:Eight'); "
        "print(*[name for name in sys.modules if 'runtime.convert' in name or name == 'onnx'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
