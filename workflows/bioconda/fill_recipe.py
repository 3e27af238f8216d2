"""Fill the version and the hash of a released source distribution into the recipe.

Usage: python fill_recipe.py cellport-1.2.3.tar.gz OUT_FOLDER

Take the file that PyPI gives out, not one built anew: builds of one commit differ in their bytes.
"""

import re
import sys
import tarfile
from email.parser import HeaderParser
from hashlib import sha256
from pathlib import Path

RECIPE = Path(__file__).resolve().parent / "cellport" / "meta.yaml"


def version_of(sdist: Path) -> str:
    """Return the version that a source distribution of cellport says it is."""
    with tarfile.open(sdist) as archive:
        infos = [one for one in archive.getmembers() if re.fullmatch(r"[^/]+/PKG-INFO", one.name)]
        file = archive.extractfile(infos[0]) if infos else None
        if file is None:
            raise ValueError("it holds no PKG-INFO")
        said = HeaderParser().parsestr(file.read().decode())
    if said["Name"] != "cellport":
        raise ValueError(f"it is of {said['Name']}")
    return str(said["Version"])


def filled(recipe: str, version: str, digest: str) -> str:
    """Return the recipe with a version and a hash."""
    for name, value in (("version", version), ("sha256", digest)):
        recipe, found = re.subn(
            rf'^({{% set {name} = ")[^"]*(" %}})$', rf"\g<1>{value}\g<2>", recipe, flags=re.M
        )
        assert found == 1, name
    return recipe


def main(arguments: list[str]) -> str:
    """Write the filled recipe, and say where."""
    if len(arguments) != 2:
        sys.exit("Usage: python fill_recipe.py cellport-1.2.3.tar.gz OUT_FOLDER")
    sdist, out = map(Path, arguments)
    try:
        version = version_of(sdist)
    except (OSError, tarfile.TarError, ValueError) as error:
        sys.exit(f"Error: {sdist} is no source distribution of cellport: {error}.")
    recipe = filled(RECIPE.read_text(), version, sha256(sdist.read_bytes()).hexdigest())
    out.mkdir(parents=True, exist_ok=True)
    (out / "meta.yaml").write_text(recipe)
    return f"cellport {version} -> {out / 'meta.yaml'}"


if __name__ == "__main__":
    print(main(sys.argv[1:]))
