"""The R package: R's own check of it, tests and vignette included, and the command's options."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cellport.cli import main

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "r" / "cellport"
DEMO = ROOT / "cellport" / "demo_data" / "lung_sample.h5ad"
NEEDED = ("jsonlite", "Matrix", "rhdf5", "testthat", "SeuratObject", "SingleCellExperiment",
          "knitr", "rmarkdown")  # fmt: skip
# given in another way: out and layer are arguments of their own
APART = {"atlas", "query", "out", "layer"}


def lacking() -> str | None:
    """Say why R cannot run the tests; None where it can."""
    if shutil.which("Rscript") is None:
        return "R is not installed"
    asked = ", ".join(f'"{name}"' for name in NEEDED)
    code = f"cat(Filter(function(p) !requireNamespace(p, quietly = TRUE), c({asked})))"
    done = subprocess.run(["Rscript", "-e", code], capture_output=True, text=True, check=False)
    missing = done.stdout.strip() if not done.returncode else done.stderr
    return f"R lacks {missing}" if missing else None


def named(table: str) -> dict[str, str]:
    """Names and values of a vector in the R code."""
    code = (PACKAGE / "R" / "options.R").read_text()
    body = re.search(rf"^{table} <- c\((.*?)^\)", code, re.DOTALL | re.MULTILINE)
    assert body
    return dict(re.findall(r'(\w+) = "([^"]*)"', body[1]))


def test_r_takes_the_options_of_the_command() -> None:
    names = {
        max(one.opts, key=len).removeprefix("--").replace("-", "_")
        for one in main.commands["map"].params
    }
    assert set(named("option_kinds")) | set(named("elsewhere")) | APART == names
    flags = {
        one.opts[0].removeprefix("--").replace("-", "_")
        for one in main.commands["map"].params
        if getattr(one, "is_flag", False)
    }
    kinds = named("option_kinds")
    assert {name for name, kind in kinds.items() if kind == "flag"} == flags - set(
        named("elsewhere")
    )


def test_r_has_the_version_of_the_tool() -> None:
    from cellport.runtime.version import __version__

    assert f"\nVersion: {__version__}\n" in (PACKAGE / "DESCRIPTION").read_text()


def test_every_page_of_help_is_that_of_the_code() -> None:
    documented = {path.stem for path in (PACKAGE / "man").glob("*.Rd")}
    exported = re.findall(r"^export\((\w+)\)", (PACKAGE / "NAMESPACE").read_text(), re.MULTILINE)
    assert exported
    assert set(exported) <= documented


@pytest.mark.slow
def test_r_has_nothing_to_say_against_the_package(tmp_path: Path) -> None:
    reason = lacking()
    if reason:
        pytest.skip(reason)
    tool = tmp_path / "cellport"
    tool.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cellport "$@"\n')
    tool.chmod(0o755)
    environment = os.environ | {
        "CELLPORT_PATH": str(tool),
        "CELLPORT_DEMO_CELLS": str(DEMO),
        # packages that the help speaks of and nothing here needs
        "_R_CHECK_FORCE_SUGGESTS_": "false",
    }

    def run(*command: str) -> str:
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False
        )
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        return done.stdout

    run("R", "CMD", "build", str(PACKAGE))
    (archive,) = tmp_path.glob("cellport_*.tar.gz")
    # `build` has made the vignette, and the check runs its code
    how = "--no-manual", "--no-build-vignettes"
    said = run("R", "CMD", "check", *how, str(archive))
    assert "Status: OK" in said, said[-4000:]
    tests = (tmp_path / "cellport.Rcheck" / "tests" / "testthat.Rout").read_text()
    assert re.search(r"FAIL 0 \| WARN 0", tests), tests[-2000:]
