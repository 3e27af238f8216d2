"""What MkDocs runs while it builds: what is made from the code, and the changelog as a page."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).parent))

import reference


def on_files(files: Files, config: Any) -> Files:
    """Add the changelog."""
    files.append(File.generated(config, "changelog.md", content=reference.changelog()))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fill the places of what is made from the code."""
    return reference.filled(markdown)
