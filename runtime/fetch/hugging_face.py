"""Models on the Hugging Face hub: a repository lists its files, and its card says of whom it is."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from cellport.runtime.base.names import listed
from cellport.runtime.errors import AtlasError
from cellport.runtime.fetch.download import AnswerError, fetch_small
from cellport.runtime.fetch.model_name import ENDING, ModelName
from cellport.runtime.fetch.remote import RemoteFile, RemoteModel, plain

ENDPOINT = "https://huggingface.co"
_LARGEST_ANSWER = 16 << 20
_LARGEST_CARD = 16 << 20
_COMMIT = re.compile(r"[0-9a-f]{40}")
_DIGEST = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_FRONT = re.compile(r"\A---\s*?\n(.*?)\n---", re.DOTALL)
_LICENCE = re.compile(
    r"^license:[ \t]*(?:\n[ \t]*-[ \t]+)?['\"]?([\w.+-]+)", re.ASCII | re.MULTILINE
)
# the last section of the cards that scvi-tools writes (hub/_template.py of 1.4.2)
_REFERENCES = re.compile(r"^# References\s*$(.*?)(?=^# |\Z)", re.DOTALL | re.MULTILINE)
_LONGEST_REFERENCES = 1000
_MOST_NAMED = 8
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _TOO_MANY = 401, 403, 404, 429


def find_hugging_face(name: ModelName) -> RemoteModel:
    """Ask the hub which files the model of a repository has, and what its card says.

    Raises
    ------
    AtlasError
        The hub cannot be reached; it has no such repository, revision or place, or does not let
        this user have it; or there is no model in it, or there are several.
    """
    secret = hub_token()
    with explained(name):
        info = _info(name, secret)
        files = _files(info)
        parts = _choose(name, list(files))
        stated = str(info.get("sha", ""))
        commit = stated if _COMMIT.fullmatch(stated) else ""
        at = f"{_page(name)}/resolve/{commit or quote(name.revision or 'main', safe='')}"
        card = _card(f"{at}/README.md", secret) if "README.md" in files else ""
    licence = _licence(info, card)
    folder, _, _ = parts[0].rpartition("/")
    return RemoteModel(
        files=tuple(_file(files[one], f"{at}/{quote(one)}", one, secret) for one in parts),
        name="-".join(filter(None, (name.model.partition("/")[2], *folder.split("/")))),
        source=f"{_page(name)}, {parts[0]} of revision {commit or name.revision or 'main'}",
        fixed=bool(commit),
        authors=f"{name.model.partition('/')[0]} on Hugging Face",
        licence=licence,
        attribution=_attribution(name, licence, card),
    )


def hub_token() -> str:
    """Return the secret that the hub knows this user by; empty where there is none.

    Raises
    ------
    AtlasError
        It cannot be one.
    """
    token = os.environ.get("HF_TOKEN", "").strip()
    if not re.fullmatch(r"[!-~]*", token):
        raise AtlasError("HF_TOKEN holds blanks or special characters, so it is no token.")
    return token


@contextmanager
def explained(name: ModelName) -> Iterator[None]:
    """Say what an answer of the hub means, and what to do about it."""
    try:
        yield
    except AnswerError as error:
        if said := _meaning(error, name):
            raise AtlasError(said) from None
        raise


def _meaning(error: AnswerError, name: ModelName) -> str:
    # what the codes mean: errors.py of huggingface_hub
    page, has_token = _page(name), bool(os.environ.get("HF_TOKEN", "").strip())
    if error.code == _TOO_MANY:
        more = "" if has_token else " The hub allows more to who sets a token in HF_TOKEN."
        return f"{error}{more}"
    if error.reason == "RevisionNotFound":
        return (
            f"{name.model} has no revision {name.revision!r}: give a branch, a tag or a commit "
            f"of {page}/commits/main."
        )
    if error.reason == "GatedRepo" or (error.code == _FORBIDDEN and not error.reason):
        return _gated(name, has_token)
    if error.code == _UNAUTHORIZED and has_token and not error.reason:
        return f"The hub does not know the token in HF_TOKEN: make another ({_tokens()})."
    if error.reason == "RepoNotFound" or error.code == _UNAUTHORIZED:
        return _no_repository(name, has_token)
    if error.code == _NOT_FOUND and "/api/models/" in str(error):
        either = f", or it has no revision {name.revision!r}" if name.revision else ""
        return _no_repository(name, has_token, either)
    return ""


def _gated(name: ModelName, has_token: bool) -> str:
    if has_token:
        return (
            f"{name.model} is given to users that its makers let in, and the one of HF_TOKEN is "
            f"not, or the token may not read it. Ask for access at {_page(name)}, and look at the "
            f"token at {_tokens()}."
        )
    return (
        f"{name.model} is given to users that its makers let in. Sign in, accept its terms at "
        f"{_page(name)}, make a token at {_tokens()}, set it in HF_TOKEN, and do the same again."
    )


def _no_repository(name: ModelName, has_token: bool, either: str = "") -> str:
    private = "" if has_token else " If it is private, set a token that may read it in HF_TOKEN."
    return f"The hub has no repository {name.model}{either}: look at {_page(name)}.{private}"


def _tokens() -> str:
    return f"{_endpoint()}/settings/tokens"


def _endpoint() -> str:
    # as huggingface_hub itself takes another address of the hub
    return (os.environ.get("HF_ENDPOINT") or ENDPOINT).rstrip("/")


def _page(name: ModelName) -> str:
    return f"{_endpoint()}/{name.model}"


def _api(name: ModelName) -> str:
    revision = f"/revision/{quote(name.revision, safe='')}" if name.revision else ""
    return f"{_endpoint()}/api/models/{name.model}{revision}?blobs=true"


def _info(name: ModelName, secret: str) -> dict[str, Any]:
    try:
        info = json.loads(fetch_small(_api(name), _LARGEST_ANSWER, secret))
    except (ValueError, RecursionError):
        info = None
    if not isinstance(info, dict) or not isinstance(info.get("siblings"), list):
        raise AtlasError(f"{_api(name)} sends something else than a list of files.")
    return info


def _files(info: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Files of a repository by path, as the hub lists them."""
    rows = [row for row in info["siblings"] if isinstance(row, dict)]
    return {row["rfilename"]: row for row in rows if _is_plain(row.get("rfilename"))}


def _is_plain(path: Any) -> bool:
    if not isinstance(path, str) or not path.isprintable() or "\\" in path:
        return False
    return not {"", ".", ".."} & set(path.split("/"))


def _file(row: dict[str, Any], url: str, path: str, secret: str) -> RemoteFile:
    large = row.get("lfs")
    digest = large.get("sha256") if isinstance(large, dict) else row.get("blobId")
    known = isinstance(digest, str) and _DIGEST.fullmatch(digest)
    size = row.get("size")
    return RemoteFile(
        url=url,
        name=path.rpartition("/")[2],
        size=size if isinstance(size, int) else None,
        digest=str(digest) if known else "",
        token=secret,
    )


def _choose(name: ModelName, paths: list[str]) -> tuple[str, ...]:
    """Return the files of the one model that is meant, the model itself first."""
    from cellport.runtime.convert.models.recognise import models_among

    atlases = {path: (path,) for path in paths if path.endswith(ENDING)}
    models = models_among(paths) | atlases
    found = _meant(name.place, list(models))
    if len(found) != 1:
        raise AtlasError(_none_or_several(name, found, paths))
    return models[found[0]]


def _meant(place: str, models: list[str]) -> list[str]:
    """Models that a place in a repository stands for: the rules for folders on disk hold."""
    if place in models:
        return [place]
    inside = [path for path in models if _is_in(place, path)]
    here = [path for path in inside if path.rpartition("/")[0] == place]
    for endings in ((ENDING,), (".pt", ".ckpt")):
        if ready := [path for path in here if path.endswith(endings)]:
            return ready
    return inside


def _none_or_several(name: ModelName, found: list[str], paths: list[str]) -> str:
    if found:
        named = listed([str(replace(name, place=path)) for path in found], _MOST_NAMED)
        return f"{name} holds several models: give one of {named}."
    there = [path for path in paths if path == name.place or _is_in(name.place, path)]
    if not there:
        return f"{name.model} has no {name.place}. It has {listed(paths, _MOST_NAMED)}."
    return (
        f"{name} holds no model that cellport reads ({ENDING}, model.pt or model_params.pt of "
        "scvi-tools, .pkl of CellTypist, or encoder.ckpt of SCimilarity). It has "
        f"{listed(there, _MOST_NAMED)}."
    )


def _is_in(place: str, path: str) -> bool:
    return path.startswith(f"{place}/") or not place


def _card(url: str, secret: str) -> str:
    return fetch_small(url, _LARGEST_CARD, secret).decode("utf-8", "replace").replace("\r\n", "\n")


def _licence(info: dict[str, Any], card: str) -> str:
    """Terms as the repository states them, in the words of the hub (``cc-by-4.0``)."""
    data = info.get("cardData")
    said = data if isinstance(data, dict) else {}
    terms = said.get("license")
    if terms == "other" and said.get("license_name"):
        link = said.get("license_link")
        return plain(f"{said['license_name']} ({link})" if link else said["license_name"])
    if isinstance(terms, list):
        return plain(", ".join(map(str, terms)))
    if terms:
        return plain(terms)
    front = _FRONT.match(card)
    found = _LICENCE.search(front[1]) if front else None
    return found[1] if found else ""


def _attribution(name: ModelName, licence: str, card: str) -> str:
    terms = f" ({licence})" if licence else ""
    found = _REFERENCES.search(card)
    references = plain(found[1], _LONGEST_REFERENCES) if found else ""
    if "not provided" in references:
        references = ""
    return f"{_page(name)}{terms}, converted, not retrained. {references}".rstrip()
