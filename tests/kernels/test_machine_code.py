from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cellport.kernels
from cellport.kernels import machine_code
from cellport.kernels.features import linear_features, prepare
from cellport.kernels.signatures import RESULTS, AllCounts

KERNELS = Path(cellport.kernels.__file__).parent
SCRIPT = """
import json, sys
import numpy as np
from copied_kernels import check, machine_code
was = machine_code.is_compiled()
machine_code.warmup()
ones = np.ones(9, np.float32)
right = sum(check.check_values(ones)) == 0 and sum(check.check_values(ones / 2)) == 9
print(json.dumps({"was": was, "numba": "numba" in sys.modules, "right": right}))
"""


@pytest.fixture
def install(tmp_path: Path) -> Path:
    """A copy of the kernels that has compiled nothing yet."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(KERNELS, tmp_path / "copied_kernels", ignore=ignored)
    return tmp_path


def run(install: Path, **variables: str) -> dict[str, bool]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA")}
    home = str(install / "home")
    environment |= {"PYTHONPATH": str(install), "HOME": home, "XDG_CACHE_HOME": home}
    environment |= {"LOCALAPPDATA": home, **variables}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, bool] = json.loads(done.stdout)
    return found


COMPILES = {"was": False, "numba": True, "right": True}
LOADS = {"was": True, "numba": False, "right": True}


def test_compiled_once_then_loaded_without_numba(install: Path) -> None:
    assert run(install) == COMPILES
    assert run(install) == LOADS
    (kept,) = (install / "copied_kernels" / "__pycache__").glob("*.o")
    whole = bytearray(kept.read_bytes())
    whole[-1] ^= 1
    kept.write_bytes(whole)
    assert run(install) == COMPILES
    assert run(install) == LOADS
    source = install / "copied_kernels" / "normalise.py"
    source.write_text(source.read_text() + "# changed\n")
    assert run(install) == COMPILES


def test_a_read_only_install_keeps_it_in_the_users_folder(install: Path) -> None:
    # A file where the folder would be: permissions do not stop every user.
    (install / "copied_kernels" / "__pycache__").write_text("")
    variables = {"PYTHONDONTWRITEBYTECODE": "1"}
    assert run(install, **variables) == COMPILES
    assert run(install, **variables) == LOADS
    assert list((install / "home").rglob("*.o"))


def test_a_user_without_a_home_needs_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(variable, raising=False)
    assert len(list(machine_code._folders())) == 2
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    assert list(machine_code._folders()) == [KERNELS / "__pycache__"]


def test_where_nothing_can_be_kept_it_compiles_each_time(install: Path) -> None:
    (install / "nowhere").write_text("")
    variables = {"NUMBA_CACHE_DIR": str(install / "nowhere")}
    assert run(install, **variables) == COMPILES
    assert run(install, **variables) == COMPILES


def feature_bytes(random_query: Any) -> list[bytes]:
    query = random_query(5, 300, 200, 60)
    basis = np.random.default_rng(0).normal(size=(60, 70)).astype(np.float32)
    prepared = prepare(query.panel_column, basis, np.full(60, 9), np.ones(70), 1e4)
    return [array.tobytes() for array in linear_features(prepared, *query.csr)]


def fail(*_: object) -> Any:
    raise RuntimeError("another llvmlite")


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("_NEVER_CALLED", {}),  # a numba that needs more
        ("target_machine", fail),  # a platform that llvmlite cannot compile for
        ("_processor", fail),  # or whose processor it does not know, so that nothing has a name
        ("_linked", fail),  # object code that it cannot load
    ],
)
def test_numba_runs_what_cannot_be_kept(
    random_query: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, instead: Any
) -> None:
    from cellport.kernels.entries import ENTRIES

    loaded = feature_bytes(random_query)
    monkeypatch.setattr(machine_code, "_ready", {})
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(machine_code, name, instead)
    assert not machine_code.is_compiled()
    assert feature_bytes(random_query) == loaded
    assert machine_code._ready.keys() == ENTRIES.keys() == RESULTS.keys()
    assert not list(tmp_path.iterdir())


def test_kept_in_the_folder_that_numba_is_told(
    random_query: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    loaded = feature_bytes(random_query)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "new"))
    monkeypatch.setattr(machine_code, "_ready", {})
    assert not machine_code.is_compiled()
    assert feature_bytes(random_query) == loaded
    (kept,) = (tmp_path / "new").iterdir()
    monkeypatch.setattr(machine_code, "_ready", {})
    assert machine_code.is_compiled()
    assert feature_bytes(random_query) == loaded
    kept.write_bytes(kept.read_bytes()[:-1])
    monkeypatch.setattr(machine_code, "_ready", {})
    assert not machine_code.is_compiled()


def test_another_processor_has_code_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    name = machine_code._file_name()
    assert machine_code._file_name() == name
    monkeypatch.setenv("NUMBA_CPU_NAME", "generic")
    assert machine_code._file_name() != name


@pytest.mark.parametrize("needed", ["somewhere", "NRT_Allocate", "numba_of_tomorrow"])
def test_code_that_would_need_numba_is_refused(needed: str) -> None:
    class Entry:
        native_name = "unused"

        def inspect_llvm(self) -> str:
            return f"""
                declare void @{needed}()
                define void @unused() {{ call void @{needed}() ret void }}
            """

    with pytest.raises(RuntimeError, match=needed):
        machine_code._object_code({AllCounts: Entry()})
