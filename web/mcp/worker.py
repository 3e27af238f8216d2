"""A process that does one thing for an agent: asked on its first line, answers line by line.

Run as ``python -m cellport.web.mcp.worker`` in an empty folder, which is all that it writes to.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cellport.runtime.errors import CellportError
from cellport.web.mcp.answers import bounded
from cellport.web.mcp.folders import Folders
from cellport.web.mcp.work import WORK, Asked
from cellport.web.server.bounded import is_too_large, limit_resources

_BETWEEN = 0.2  # seconds from one line about progress to the next


def request(tool: str, arguments: dict[str, Any], folders: Folders, **bounds: int) -> bytes:
    """Return the line that asks for work; `bounds` are ``threads`` and ``largest_result``."""
    out = None if folders.out is None else str(folders.out)
    places = {"readable": list(map(str, folders.readable)), "out": out, "fetch": folders.fetch}
    asked = {"tool": tool, "arguments": arguments, "folders": places, **bounds}
    return f"{json.dumps(asked)}\n".encode()


def main() -> None:
    """Do what standard input asks for, and end when it does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # what a library prints goes where complaints go
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    asked = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()

    def tell(**line: Any) -> None:
        print(json.dumps(line), file=answers, flush=True)

    tell(**_done(asked, _now_and_then(tell)))


def _done(asked: dict[str, Any], tell: Callable[[int, int], None]) -> dict[str, Any]:
    """Do the work; whatever goes wrong is a sentence."""
    places, most = asked["folders"], asked["largest_result"]
    out = None if places["out"] is None else Path(places["out"])
    folders = Folders(tuple(map(Path, places["readable"])), out, places["fetch"])
    job = Asked(folders, asked["threads"], tell)
    try:
        limit_resources(most)
        answer = bounded(WORK[asked["tool"]](job, **asked["arguments"]))
    except MemoryError:
        return {"error": "It needs more memory than the server gives to one call."}
    except CellportError as error:
        if is_too_large(error):
            return {"error": f"The result is larger than the {most:,} bytes that are allowed."}
        return {"error": " ".join(str(error).splitlines())[:2000]}
    except Exception as error:  # noqa: BLE001 - the agent is told, the log knows where
        traceback.print_exc()
        return {"error": f"Unexpected error ({type(error).__name__}); a fault in cellport."}
    return {"answer": answer, "written": job.written}


def _now_and_then(tell: Callable[..., None]) -> Callable[[int, int], None]:
    last = -_BETWEEN

    def progress(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _BETWEEN or done == total:
            tell(done=done, total=total)
            last = now

    return progress


def _end_with_parent() -> None:
    while sys.stdin.readline():
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
