"""The server: the page, the parts of the atlas, and an HTTP API that maps uploaded files."""

from __future__ import annotations

import mimetypes
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match, Route

from cellport.runtime.atlas.file import MANIFEST
from cellport.runtime.atlas.manifest import Thresholds
from cellport.runtime.fetch.pull import file_name
from cellport.runtime.version import __version__
from cellport.web.server.explain import add_explain
from cellport.web.server.guard import Access, Guard
from cellport.web.server.held import Held, has_already, held_page
from cellport.web.server.jobs import Jobs
from cellport.web.server.limits import Limits
from cellport.web.server.map import add_map
from cellport.web.server.rank import add_rank
from cellport.web.server.refusal import Refusal
from cellport.web.server.requests import (
    WhichAtlas,
    named,
    problems,
)
from cellport.web.server.site import (
    EXAMPLE,
    LIST,
    PlacedAtlas,
    list_bytes,
    manifest_bytes,
    page_files,
)

_READING = ["GET", "HEAD"]
_BYTES = "application/octet-stream"
# where the page's build puts what it names by hashes
_NAMED_BY_HASH = "assets/"
_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".json": "application/json",
    ".mjs": "text/javascript",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
}
_ABOUT = (
    "Maps single-cell RNA-seq counts onto an atlas. Send the file itself as the body; nothing "
    "is kept."
)


class Health(BaseModel):
    """That the server works, and how busy it is."""

    status: str
    version: str
    jobs: int
    most_jobs: int


class AtlasSummary(BaseModel):
    """What the atlas says of itself."""

    name: str
    source: str
    authors: str
    licence: str
    attribution: str
    limits: str
    organism: str
    created: str
    n_genes: int
    n_latent: int
    labels: list[str]
    batches: list[str]
    parents: dict[str, str]
    thresholds: Thresholds
    sha256: str
    size: int
    format_version: int
    minimum_runtime: str
    download: str


def create_app(
    placed: Sequence[PlacedAtlas],
    limits: Limits | None = None,
    access: Access | None = None,
    page: Path | None = None,
    started: Callable[[], None] | None = None,
) -> FastAPI:
    """Return the ASGI application.

    Without `access`, anybody may come in who reaches the server by an address or localhost;
    without `page` there is the API alone. `started` is called when the first worker is ready.
    """
    access = access or Access()
    jobs = Jobs({one.name: one.file.path.resolve() for one in placed}, limits or Limits())
    for ending, kind in _TYPES.items():
        # the operating system's own table may say otherwise
        mimetypes.add_type(kind, ending)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await jobs.open()
        try:
            if started is not None:
                started()
            yield
        finally:
            jobs.close()

    app = FastAPI(
        title="cellport",
        version=__version__,
        description=_ABOUT,
        lifespan=lifespan,
        openapi_url="/api/openapi.json",
        docs_url=None,  # its page loads scripts from another host
        redoc_url=None,
        redirect_slashes=False,
        responses=problems(400, 401) if access.token else problems(400),
    )
    app.add_middleware(Guard, access=access)
    _add_handlers(app)
    _add_api(app, placed, jobs)
    add_map(app, placed, jobs)
    add_explain(app, placed, jobs)
    add_rank(app, placed, jobs)
    for one in placed:
        _add_parts(app, one)
    if page is not None:
        _add_page(app, page, placed)
    if access.token:
        _declare_token(app)
    return app


def _add_api(app: FastAPI, placed: Sequence[PlacedAtlas], jobs: Jobs) -> None:
    @app.get("/api/health", openapi_extra={"security": []})
    async def health() -> Health:
        """Tell that the server works and how many files it is working on."""
        most = jobs.limits.jobs + jobs.limits.queue
        return Health(status="ok", version=__version__, jobs=jobs.admitted, most_jobs=most)

    @app.get("/api/atlases")
    async def listed() -> list[str]:
        """Name the atlases that files can be mapped onto."""
        return [one.name for one in placed]

    @app.get("/api/atlas", responses=problems(404, 422))
    async def about(atlas: WhichAtlas = None) -> AtlasSummary:
        """Describe the atlas that files are mapped onto."""
        one = named(placed, atlas)
        file, m = one.file, one.file.manifest
        return AtlasSummary(
            name=m.name,
            source=m.provenance.source,
            authors=m.provenance.authors,
            licence=m.provenance.licence,
            attribution=m.provenance.attribution,
            limits=m.provenance.limits,
            organism=m.organism,
            created=m.provenance.created,
            n_genes=m.n_genes,
            n_latent=m.n_latent,
            labels=list(m.labels),
            batches=list(m.batches),
            parents=m.parents,
            thresholds=m.thresholds,
            sha256=file.sha256,
            size=file.path.stat().st_size,
            format_version=file.format_version,
            minimum_runtime=m.minimum_runtime,
            download=f"/{one.folder}/{file_name(file)}",
        )


def _add_parts(app: FastAPI, placed: PlacedAtlas) -> None:
    atlas, example = placed.file, placed.example
    whole = file_name(atlas)
    line = f"{atlas.sha256}  {whole}\n".encode()
    manifest = manifest_bytes(atlas, example)
    held = {
        MANIFEST: Held(lambda: manifest, "application/json"),
        f"{whole}.sha256": Held(lambda: line, "text/plain"),
    }

    if example is not None:
        cells = example.data
        held[EXAMPLE] = Held(lambda: cells, _BYTES)

    @app.api_route(f"/{placed.folder}/{{part:path}}", methods=_READING, include_in_schema=False)
    def atlas_part(part: str, request: Request) -> Response:
        if part == whole:
            headers = {"Cache-Control": "private, no-cache", "ETag": f'"{atlas.sha256}"'}
            if has_already(request, headers["ETag"]):
                return Response(None, 304, headers)
            return FileResponse(atlas.path, media_type=_BYTES, filename=whole, headers=headers)
        if part not in held and part in atlas:
            kind = "text/plain; charset=utf-8" if part.endswith(".md") else _BYTES
            held[part] = Held(lambda: bytes(atlas.read(part)), kind)
        if part not in held:
            raise HTTPException(404)
        return held[part].answer(request)


def _add_page(app: FastAPI, page: Path, placed: Sequence[PlacedAtlas]) -> None:
    listed = list_bytes(placed)
    choice = {LIST: Held(lambda: listed, "application/json")}
    files = held_page(page, page_files(page)) | choice

    @app.api_route("/{name:path}", methods=_READING, include_in_schema=False)
    def page_file(name: str, request: Request) -> Response:
        allowed = _methods_of(app, request)
        if name not in files and allowed:
            raise HTTPException(405, "This address takes other requests.", {"Allow": allowed})
        if name not in files:
            raise HTTPException(404)
        return files[name].answer(request, for_ever=name.startswith(_NAMED_BY_HASH))


def _methods_of(app: FastAPI, request: Request) -> str:
    """Methods of a route for an address that this request's is not one of."""
    found = [
        route.methods or set()
        for route in app.router.routes
        if isinstance(route, Route) and route.matches(request.scope)[0] is Match.PARTIAL
    ]
    return ", ".join(sorted(set().union(*found)))


def _add_handlers(app: FastAPI) -> None:
    def answer(status: int, sentence: str, headers: Any = None) -> JSONResponse:
        return JSONResponse({"error": sentence}, status, headers)

    @app.exception_handler(Refusal)
    async def refused(_: Request, error: Refusal) -> JSONResponse:
        return answer(error.status, error.sentence, error.headers)

    @app.exception_handler(HTTPException)
    async def http_error(_: Request, error: HTTPException) -> JSONResponse:
        sentence = "There is nothing at this address." if error.status_code == 404 else error.detail
        return answer(error.status_code, sentence, error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        said = [f"{'.'.join(map(str, e['loc'][1:]))}: {e['msg']}" for e in error.errors()]
        return answer(422, f"The request is not valid: {'; '.join(said)}.")

    @app.exception_handler(ClientDisconnect)
    async def gone(_: Request, error: ClientDisconnect) -> JSONResponse:
        return answer(400, "The file did not come whole; send it again.")

    @app.exception_handler(Exception)
    async def fault(_: Request, error: Exception) -> JSONResponse:
        return answer(500, f"Unexpected error ({type(error).__name__}); a fault in cellport.")


def _declare_token(app: FastAPI) -> None:
    plain = app.openapi

    def with_token() -> dict[str, Any]:
        text = plain()
        components = text.setdefault("components", {})
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        text["security"] = [{"token": []}]
        return text

    app.openapi = with_token  # type: ignore[method-assign]
