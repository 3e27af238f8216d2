"""The endpoint that tells why the cells of a file have their labels."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel

from cellport.runtime.base.typed_json import finite
from cellport.runtime.explain import GENES
from cellport.runtime.mapping.options import MINIMUM_GENES, MapOptions
from cellport.web.server.jobs import Jobs
from cellport.web.server.requests import (
    OF_UPLOADS,
    TAKES_A_FILE,
    Flag,
    Genome,
    Layer,
    MinimumGenes,
    WhichAtlas,
    check_body,
    named,
    problems,
    unless_gone,
)
from cellport.web.server.result import Result
from cellport.web.server.site import PlacedAtlas
from cellport.web.server.upload import receive_upload

# each cell is told for each label that is asked for, in a tenth of a second or so
_MOST_NAMES = 50
_MOST_GENES = 100
_Name = Annotated[str, Query(max_length=1000)]


class Gene(BaseModel):
    """A gene that spoke for a label."""

    gene: str
    for_label: float
    against_runner_up: float
    expressed: float
    probability_without: float | None


class Reasons(BaseModel):
    """Why the cells of a type, or one cell, were given a label."""

    label: str
    cell: str
    runner_up: str
    cells: int
    probability: float | None
    genes: list[Gene]
    probability_without: float | None


class Explained(BaseModel):
    """Why the cells of a file have their labels."""

    atlas: str
    n_cells: int
    reasons: list[Reasons]
    notes: list[str]


def add_explain(app: FastAPI, placed: Sequence[PlacedAtlas], jobs: Jobs) -> None:
    """Add the endpoint to the application."""

    @app.post(
        "/api/explain",
        response_model=Explained,
        responses={
            200: {
                "description": "What each gene adds, of each type or cell, or the same as a table",
                "content": {"text/csv": {"schema": {"type": "string", "format": "binary"}}},
            },
            **problems(*OF_UPLOADS),
        },
        openapi_extra=TAKES_A_FILE,
    )
    async def explain_file(
        request: Request,
        format: Literal["json", "csv"] = "json",
        cells: Annotated[
            list[_Name],
            Query(
                description="Names of cells to tell one by one, in place of the types",
                max_length=_MOST_NAMES,
            ),
        ] = [],  # noqa: B006 - FastAPI copies it
        labels: Annotated[
            list[_Name],
            Query(
                description="Of types, these alone; of cells, why they may be these",
                max_length=_MOST_NAMES,
            ),
        ] = [],  # noqa: B006
        genes: Annotated[
            int, Query(ge=1, le=_MOST_GENES, description="Most genes to name of each")
        ] = GENES,
        layer: Layer = None,
        genome: Genome = None,
        minimum_genes: MinimumGenes = MINIMUM_GENES,
        any_organism: Flag = False,
        fractional_counts: Flag = False,
        atlas: WhichAtlas = None,
    ) -> Response:
        """Map an `.h5ad` or 10x `.h5` file, sent as the body, and name the genes that spoke."""
        onto = named(placed, atlas).name
        check_body(request)
        how = MapOptions(
            layer=layer,
            genome=genome,
            minimum_genes=minimum_genes,
            any_organism=any_organism,
            allow_fractional=fractional_counts,
        )
        asked: dict[str, Any] = {"cells": cells, "labels": labels, "genes": genes}
        with ExitStack() as stack:
            job = stack.enter_context(jobs.admit())
            await receive_upload(request, job, jobs)
            found = await unless_gone(request, jobs.explain(job, onto, asked, format, how))
            if format == "json":
                return JSONResponse(finite(asdict(found)))
            return Result(job.folder / "result.csv", "text/csv", stack.pop_all())
