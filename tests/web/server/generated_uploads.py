"""Given to schemathesis: half of what it uploads are cells that can be mapped."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import strategies as st

CELLS = Path(os.environ["CELLPORT_CELLS"]).read_bytes()
ANSWERED = Path(os.environ["CELLPORT_ANSWERED"])

schemathesis.openapi.media_type("application/octet-stream", st.just(CELLS) | st.binary())


@schemathesis.hook
def after_call(_: Any, case: Any, response: Any) -> None:
    """Note what was answered to what."""
    with ANSWERED.open("a") as file:
        file.write(f"{case.method} {case.path} {response.status_code}\n")
