"""The parts of a site: the built page, and the members of an atlas as separate files."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from cellport.runtime.atlas.file import MANIFEST, AtlasFile
from cellport.runtime.errors import AtlasError, MissingDependencyError

PAGE = Path(__file__).parent.parent / "page" / "dist"
_BUILD = "npm install --prefix web/page && npm run build --prefix web/page"


def built_page() -> Path:
    """Return the folder of the built page.

    Raises
    ------
    MissingDependencyError
        It has not been built, as in a fresh checkout, or the installation is not whole.
    """
    if (PAGE / "index.html").is_file():
        return PAGE
    if (PAGE.parent / "package.json").is_file():
        raise MissingDependencyError(
            f"The page has not been built; at the top of the repository, run once: {_BUILD}"
        )
    raise MissingDependencyError(
        "This installation of cellport lacks the page, which every wheel of it holds: "
        "uninstall cellport and install it again."
    )


def page_files(page: Path) -> list[str]:
    """Relative names of the files of a built page, sorted."""
    return sorted(
        path.relative_to(page).as_posix()
        for path in page.rglob("*")
        if path.is_file() and not path.is_symlink()
    )


def manifest_bytes(atlas: AtlasFile) -> bytes:
    """Return the manifest as it stands in the file, with the ``sha256`` of the whole file, as JSON.

    Raises
    ------
    AtlasError
        It holds NaN or infinity, which no browser reads.
    """
    with zipfile.ZipFile(atlas.path) as archive:
        text = json.loads(archive.read(MANIFEST))
    try:
        return json.dumps({**text, "sha256": atlas.sha256}, allow_nan=False).encode()
    except ValueError:
        raise AtlasError(
            f"{atlas.path.name}: its manifest holds a number that is not finite, which browsers "
            "cannot read; train the atlas again."
        ) from None
