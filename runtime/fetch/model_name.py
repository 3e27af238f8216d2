"""Names of published models of other tools, and where their atlases are kept."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from cellport.runtime.base.cache import cache_folder
from cellport.runtime.errors import AtlasError

CELLTYPIST, HUGGING_FACE = "celltypist", "hf"
_HOW = (
    "A model is named celltypist:NAME, hf:OWNER/REPO, hf:OWNER/REPO@REVISION or "
    "hf:OWNER/REPO/FOLDER."
)
_MODEL = re.compile(r"[\w.+-]{1,100}", re.ASCII)
# as the hub itself names places: https://huggingface.co/docs/huggingface_hub/guides/hf_file_system
_PLACE = re.compile(
    r"(?P<model>[\w.-]{1,96}/[\w.-]{1,96})"
    r"(?:@(?P<revision>refs/(?:pr|convert)/[\w.-]+|[\w.+%-]+))?"
    r"(?:/(?P<place>.+?))?/?",
    re.ASCII,
)
_LONGEST = 200  # characters of a file's name, of the 255 that file systems take
ENDING = ".cellport"


@dataclass(frozen=True, slots=True)
class ModelName:
    """A published model, by the hub that has it."""

    hub: str  # CELLTYPIST or HUGGING_FACE
    model: str  # its name, or OWNER/REPO
    revision: str = ""  # branch, tag or commit; the newest when empty
    place: str = ""  # folder or file in a repository of several models

    def __str__(self) -> str:
        revision = f"@{quote_revision(self.revision)}" if self.revision else ""
        place = f"/{self.place}" if self.place else ""
        return f"{self.hub}:{self.model}{revision}{place}"

    @property
    def path(self) -> Path:
        """Where its atlas is kept: the name says which it is, so no list of them is needed."""
        return cache_folder() / f"{quote(str(self), safe='')}{ENDING}"


def is_model_name(text: str) -> bool:
    """Whether a text names a model of a hub, rightly or not."""
    hub, colon, rest = text.partition(":")
    return bool(colon) and hub in (CELLTYPIST, HUGGING_FACE) and not rest.startswith("//")


def read_model_name(text: str) -> ModelName:
    """Read a name such as ``celltypist:Immune_All_Low``.

    Raises
    ------
    AtlasError
        It is none.
    """
    name = _parse(text)
    if name is None or len(name.path.name) > _LONGEST:
        raise AtlasError(f"{text!r} is no name of a model. {_HOW}")
    return name


def kept_models() -> list[ModelName]:
    """Models whose atlases are here, by name; none where there is no folder to keep them in."""
    try:
        paths = sorted(cache_folder().glob(f"*%3A*{ENDING}"))
    except (AtlasError, OSError):
        return []
    names = [_parse(unquote(path.name.removesuffix(ENDING))) for path in paths]
    return [name for name in names if name is not None]


def quote_revision(revision: str) -> str:
    """Revision as it stands in a name or an address, where a slash would end it."""
    return revision if re.fullmatch(r"refs/(pr|convert)/[\w.-]+", revision) else quote(revision, "")


def _parse(text: str) -> ModelName | None:
    hub, _, rest = text.partition(":")
    if hub == CELLTYPIST and _MODEL.fullmatch(rest):
        name = ModelName(hub, rest.removesuffix(".pkl"))
    elif hub == HUGGING_FACE and (found := _PLACE.fullmatch(rest)):
        revision, place = unquote(found["revision"] or ""), found["place"] or ""
        name = ModelName(hub, found["model"], revision, place)
    else:
        return None
    parts = [*name.model.split("/"), *(name.place or "x").split("/")]
    return None if {"", ".", ".."} & set(parts) else name
