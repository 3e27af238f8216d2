from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.responses import PlainTextResponse

from cellport.web.server.guard import Access, Guard


def answered(status: int, **headers: str) -> list[str]:
    """What a guarded app that reads nothing receives and sends, in order, of a body of three."""
    happened: list[str] = []
    pieces = [{"type": "http.request", "body": b"x", "more_body": more} for more in (1, 1, 0)]

    async def receive() -> Any:
        happened.append("received")
        return pieces.pop(0)

    async def send(message: Any) -> None:
        happened.append(message["type"].removeprefix("http.response."))

    stated = {"host": "localhost", **headers}
    scope: Any = {
        "type": "http",
        "method": "POST",
        "path": "/api/map",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in stated.items()],
    }
    guard = Guard(PlainTextResponse("no", status), Access())
    asyncio.run(guard(scope, receive, send))
    return happened


def test_a_body_is_read_before_it_is_refused_so_that_the_answer_arrives() -> None:
    assert answered(422) == ["received"] * 3 + ["start", "body"]


@pytest.mark.parametrize(("status", "headers"), [(408, {}), (422, {"expect": "100-continue"})])
def test_nothing_is_waited_for_where_nothing_comes(status: int, headers: dict[str, str]) -> None:
    assert answered(status, **headers) == ["start", "body"]
