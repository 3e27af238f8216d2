from __future__ import annotations

from pathlib import Path

import platformdirs
import platformdirs.macos
import platformdirs.unix
import platformdirs.windows
import pytest

from cellport.runtime.base.cache import cache_folder
from cellport.runtime.errors import AtlasError


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CELLPORT_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/home/me")


def test_the_variable_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    monkeypatch.setenv("CELLPORT_CACHE", "/some/where")
    assert cache_folder() == Path("/some/where")


def test_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platformdirs, "PlatformDirs", platformdirs.unix.Unix)
    assert cache_folder() == Path("/home/me/.cache/cellport")
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert cache_folder() == Path("/x/cellport")


def test_macos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platformdirs, "PlatformDirs", platformdirs.macos.MacOS)
    assert cache_folder() == Path("/home/me/Library/Caches/cellport")


def test_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the folder for local data itself, without the ``Cache`` that some put into it."""
    local = "/home/me/AppData/Local"
    monkeypatch.setattr(platformdirs.windows, "get_win_folder", {"CSIDL_LOCAL_APPDATA": local}.get)
    monkeypatch.setattr(platformdirs, "PlatformDirs", platformdirs.windows.Windows)
    assert cache_folder() == Path(local) / "cellport"


def test_a_user_without_a_home_is_told_to_name_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    with pytest.raises(AtlasError, match="name one in CELLPORT_CACHE"):
        cache_folder()
    monkeypatch.setenv("CELLPORT_CACHE", "/some/where")
    assert cache_folder() == Path("/some/where")
