"""What pyproject.toml cannot say: packages of several folders, the page in a wheel, whole links."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tomllib
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
PARTS = ("kernels", "models", "runtime", "train", "web")
PAGE = HERE / "web" / "page" / "dist" / "index.html"


class BuildPy(build_py):
    """Copies the package; a wheel without the page would fail only when somebody serves it."""

    def run(self) -> None:
        """Refuse to make such a wheel."""
        if not self.editable_mode and not PAGE.is_file():
            raise SystemExit(
                "The page is not built, and a wheel must hold it; run first: "
                "npm install --prefix web/page && npm run build --prefix web/page"
            )
        super().run()


def packages() -> list[str]:
    """Name every package below the folders at the top."""
    below = [f"cellport.{part}.{name}" for part in PARTS for name in find_packages(part)]
    return ["cellport", *(f"cellport.{part}" for part in PARTS), *below]


def long_description() -> str:
    """Return the README with whole addresses, which the package's page on PyPI needs."""
    project = tomllib.loads((HERE / "pyproject.toml").read_text())["project"]
    home = project["urls"]["Source"]

    def whole(link: re.Match[str]) -> str:
        kind = "raw" if link[1].startswith("!") else "blob"
        return f"{link[1]}({home}/{kind}/main/{link[2]})"

    text = (HERE / "README.md").read_text(encoding="utf-8")
    return re.sub(r"(!?\[[^]]*\])\((?!https?://)([^)\s]+)\)", whole, text)


def link_for_type_checkers() -> None:
    """Lay the package together in ``.dev``, where type checkers and editors follow its imports."""
    tree = HERE / ".dev" / "cellport"
    if tree.exists():
        shutil.rmtree(tree)  # of links it removes the links
    tree.mkdir(parents=True)
    inside = [path for path in (HERE / "cellport").iterdir() if path.name != "__pycache__"]
    for target in [*inside, *(HERE / part for part in PARTS)]:
        link = tree / target.name
        link.symlink_to(os.path.relpath(target, tree), target_is_directory=target.is_dir())


if "editable_wheel" in sys.argv:
    try:
        link_for_type_checkers()
    except OSError as error:  # Windows allows links to administrators and developers only
        print(f"No links for type checkers in .dev: {error}", file=sys.stderr)

setup(
    packages=packages(),
    cmdclass={"build_py": BuildPy},
    long_description=long_description(),
    long_description_content_type="text/markdown",
)
