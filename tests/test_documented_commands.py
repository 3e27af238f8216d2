"""Every command that README and docs show is one that the command line takes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import click
import pytest

from cellport.cli import main

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_FENCE = re.compile(r"```[a-z]*\n(.*?)```", re.DOTALL)
_SPAN = re.compile(r"`(cellport [a-z]+ [^`\n]+)`")


def commands(page: Path) -> Iterator[str]:
    """Lines of code blocks, joined where they go on, and code within sentences."""
    text = page.read_text()
    for block in _FENCE.findall(text):
        for line in re.sub(r"\\\n\s*", "", block).splitlines():
            found = re.search(r"(?:^|&& )(?:\S*/)?(cellport [a-z].*)", line.strip())
            if found:
                yield found[1]
    yield from _SPAN.findall(_FENCE.sub("", text))


SHOWN = sorted(
    {(page.name, command) for page in PAGES for command in commands(page)},
    key=lambda one: (one[1], one[0]),
)


@pytest.mark.parametrize(("page", "command"), SHOWN, ids=[command for _, command in SHOWN])
def test_the_command_line_takes_it(page: str, command: str) -> None:
    words = shlex.split(re.split(r"\s[|>&]\s?|&&", command)[0], comments=True)[1:]
    # brackets, dots and what a workflow fills in stand for words of the reader's
    filled = [re.sub(r"\$\{task.cpus\}", "2", word) for word in words]
    name, *given = [word.strip("[]") or "x" for word in filled]
    assert name in main.commands, page
    # a sentence may name a command and an option alone
    with suppress(click.exceptions.Exit, click.MissingParameter, click.BadOptionUsage):
        main.commands[name].make_context(name, given)


def test_there_are_commands_to_look_at() -> None:
    assert len(SHOWN) > 40
    with pytest.raises(click.NoSuchOption):
        main.commands["map"].make_context("map", ["a", "b", "-o", "c", "--no-such-option"])
