"""Run a Galaxy tool as Galaxy does, without a server: by the environment of .ci/hosts.txt.

Usage: galaxy_tool.py TOOL.xml DATA_FOLDER WORK_FOLDER < jobs.json

Runs the tool's own tests, whose files lie in DATA_FOLDER, then the jobs: lists of inputs, each with
a name (``atlas|source``) and a value. Prints what came of each. Galaxy's own libraries read the
tool, fill its command, and check its outputs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from galaxy.tool_util.parser import get_tool_source
from galaxy.tool_util.verify.asserts import verify_assertions
from galaxy.util.template import fill_template


class Dataset:
    """A dataset of a history: its path, as Galaxy names files, and what the user called it."""

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.element_identifier = path, name

    def __str__(self) -> str:
        return str(self.path)


class Row:
    """A chosen line of a data table."""

    def __init__(self, fields: dict[str, str]) -> None:
        self.value, self.fields = fields["value"], type("Fields", (), fields)

    def __str__(self) -> str:
        return self.value


class Flag:
    """A boolean input, which is text in a command and true or false in a filter."""

    def __init__(self, on: bool, text: str) -> None:
        self.on, self.text = on, text

    def __str__(self) -> str:
        return self.text

    def __bool__(self) -> bool:
        return self.on


class Tool:
    """A tool, and what its inputs are when a user chose some of them."""

    def __init__(self, path: Path, data: Path, work: Path) -> None:
        self.source = get_tool_source(str(path))
        self.root = self.source.xml_tree.getroot()
        self.data, self.work = data, work
        (table,) = (path.parent / "test-data").glob("*.loc")
        rows = [line.split("\t") for line in table.read_text().splitlines() if line[0] != "#"]
        self.rows = {row[0]: dict(zip(("value", "name", "path"), row, strict=True)) for row in rows}

    def inputs(self, node: Any, chosen: dict[str, str], before: str = "") -> dict[str, Any]:
        """Return the values of all inputs below a node of the tool."""
        found: dict[str, Any] = {}
        for child in node:
            name = child.get("name")
            if child.tag == "param":
                found[name] = self.value(child, chosen.get(before + name))
            elif child.tag == "conditional":
                inside = f"{before}{name}|"
                select = child.find("param")
                case = str(self.value(select, chosen.get(inside + select.get("name"))))
                (when,) = (one for one in child.findall("when") if one.get("value") == case)
                found[name] = {
                    select.get("name"): case,
                    **self.inputs(when, chosen, inside),
                }
        return found

    def value(self, param: Any, given: str | None) -> Any:
        """Return what a parameter is, chosen or not."""
        kind = param.get("type")
        if kind == "data":
            path = self.work / f"dataset_{len(list(self.work.iterdir()))}.dat"
            path.symlink_to(self.data / str(given))
            return Dataset(path, str(given))
        if kind == "boolean":
            on = (given or param.get("checked", "false")) == "true"
            return Flag(on, param.get("truevalue" if on else "falsevalue", str(on).lower()))
        if kind == "select" and param.find("options") is not None:
            return Row(self.rows[str(given)])
        if kind == "select":
            selected = [one for one in param if one.get("selected") == "true"]
            return given or selected[0].get("value")
        return given or param.get("value", "")

    def run(self, chosen: dict[str, str]) -> dict[str, Any]:
        """Run one job in a folder of its own; return its end and the paths of its outputs."""
        self.work.mkdir(parents=True)
        values = self.inputs(self.root.find("inputs"), chosen)
        folder = self.work / "working"
        folder.mkdir()
        outputs = {}
        for node in self.root.find("outputs"):
            filters = [one.text.strip() for one in node.findall("filter")]
            if all(eval(text, {}, dict(values)) for text in filters):
                inside = node.get("from_work_dir")
                path = folder / inside if inside else self.work / f"{node.get('name')}.dat"
                outputs[node.get("name")] = path
        command = fill_template(self.source.parse_command(), {**values, **outputs})
        done = subprocess.run(
            ["bash", "-e", "-c", command.replace("\n", " ")],
            cwd=folder,
            env=os.environ | {"GALAXY_SLOTS": "2"},
            capture_output=True,
            text=True,
        )
        return {
            "code": done.returncode,
            "stderr": done.stderr,
            "outputs": {name: str(path) for name, path in outputs.items()},
        }

    def check(self, test: dict[str, Any]) -> dict[str, Any]:
        """Run a test of the tool's own, and hold its outputs against it."""
        came = self.run({one["name"]: one["value"] for one in test["inputs"]})
        wrong = []
        if bool(came["code"]) != bool(test["expect_failure"]):
            wrong.append(f"ended with {came['code']}: {came['stderr']}")
        if test["expect_exit_code"] not in (None, str(came["code"])):
            wrong.append(f"ended with {came['code']}, not {test['expect_exit_code']}")
        if test["expect_num_outputs"] not in (None, str(len(came["outputs"]))):
            wrong.append(f"has the outputs {list(came['outputs'])}")
        expected = [(one["name"], one["attributes"]["assert_list"]) for one in test["outputs"]]
        texts = {name: Path(came["outputs"][name]).read_bytes() for name, _ in expected}
        expected.append(("stderr", test["stderr"] or []))
        for name, assertions in expected:
            try:
                verify_assertions(texts.get(name, came["stderr"].encode()), assertions)
            except AssertionError as error:
                wrong.append(f"{name}: {error}")
        return {**came, "wrong": wrong, "asserted": sum(len(one) for _, one in expected)}


def main(tool: Path, data: Path, work: Path) -> None:
    """Print the ends of all tests and jobs as JSON."""
    tests = get_tool_source(str(tool)).parse_tests_to_dict()["tests"]
    jobs = json.load(sys.stdin)
    report = {
        "tests": [Tool(tool, data, work / f"test{i}").check(one) for i, one in enumerate(tests)],
        "jobs": [Tool(tool, data, work / f"job{i}").run(one) for i, one in enumerate(jobs)],
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
