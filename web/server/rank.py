"""The endpoint that tells which of the server's atlases a file fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

from fastapi import FastAPI, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel

from cellport.runtime.base.typed_json import finite
from cellport.runtime.mapping.options import MINIMUM_GENES, MapOptions
from cellport.web.server.jobs import Jobs
from cellport.web.server.requests import (
    OF_UPLOADS,
    TAKES_A_FILE,
    AtlasName,
    Flag,
    Genome,
    Layer,
    MinimumGenes,
    check_body,
    named,
    problems,
    unless_gone,
)
from cellport.web.server.site import PlacedAtlas
from cellport.web.server.upload import receive_upload

# an address of more is not read to its end
_MOST_NAMES = 200


class Fit(BaseModel):
    """How a file fits an atlas; shares are of the looked-at cells that have counts."""

    atlas: str
    name: str
    organism: str
    n_labels: int
    refused: str
    genes: float
    like: float | None
    right: float | None
    called: float | None
    types: int
    score: float


def add_rank(app: FastAPI, placed: Sequence[PlacedAtlas], jobs: Jobs) -> None:
    """Add the endpoint to the application."""

    @app.post(
        "/api/rank",
        response_model=list[Fit],
        responses=problems(*OF_UPLOADS),
        openapi_extra=TAKES_A_FILE,
    )
    async def rank_file(
        request: Request,
        layer: Layer = None,
        genome: Genome = None,
        minimum_genes: MinimumGenes = MINIMUM_GENES,
        fractional_counts: Flag = False,
        atlas: Annotated[
            list[AtlasName],
            Query(
                description="Names of the atlases to ask; all without any", max_length=_MOST_NAMES
            ),
        ] = [],  # noqa: B006 - FastAPI copies it
    ) -> Response:
        """Rank the atlases by how well an `.h5ad` or 10x `.h5` file, sent as the body, fits them.

        The best comes first; those that the file cannot be mapped onto last, with the reason.
        """
        asked = [named(placed, name).name for name in dict.fromkeys(atlas)]
        asked = asked or [one.name for one in placed]
        check_body(request)
        how = MapOptions(
            layer=layer,
            genome=genome,
            minimum_genes=minimum_genes,
            allow_fractional=fractional_counts,
        )
        with jobs.admit() as job:
            await receive_upload(request, job, jobs)
            found = await unless_gone(request, jobs.rank(job, asked, how))
            return JSONResponse(finite([asdict(fit) for fit in found]))
