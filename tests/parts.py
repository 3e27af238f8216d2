"""An atlas as the page's own tests read it: a folder of its members."""

from __future__ import annotations

from pathlib import Path

from cellport.runtime.mapping.atlas import Atlas
from cellport.web.server.site import manifest_bytes


def write_parts(atlas: Atlas, folder: Path) -> None:
    (folder / "arrays").mkdir(parents=True)
    (folder / "manifest.json").write_bytes(manifest_bytes(atlas.file))
    for name in atlas.file.members:
        (folder / name).write_bytes(atlas.file.read(name))
