"""The endpoint that maps a file."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import fields
from typing import Annotated

from fastapi import FastAPI, Query, Request
from fastapi.responses import JSONResponse, Response

from cellport.runtime.map_files import MapSummary
from cellport.runtime.mapping.options import GROUPS_COST, MINIMUM_GENES, MapOptions
from cellport.web.server.jobs import Jobs
from cellport.web.server.refusal import Refusal
from cellport.web.server.requests import (
    OF_UPLOADS,
    TAKES_A_FILE,
    AtlasName,
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
from cellport.web.server.worker import Format

_MEDIA = {"csv": "text/csv", "h5ad": "application/x-hdf5", "pseudobulk": "application/x-hdf5"}
# each is as much work as a mapping of its own, within the time that one has
_MOST_OTHERS = 20


def add_map(app: FastAPI, placed: Sequence[PlacedAtlas], jobs: Jobs) -> None:
    """Add the endpoint to the application."""

    @app.post(
        "/api/map",
        response_model=MapSummary,
        responses={
            200: {
                "description": "The summary, or the mapped cells in the format asked for",
                "content": {
                    media: {"schema": {"type": "string", "format": "binary"}}
                    for media in _MEDIA.values()
                },
            },
            **problems(*OF_UPLOADS),
        },
        openapi_extra=TAKES_A_FILE,
    )
    async def map_file(
        request: Request,
        format: Annotated[
            Format,
            Query(
                description="json gives the summary alone, pseudobulk an .h5ad of the counts that "
                "the parameter of that name has summed up"
            ),
        ] = "json",
        layer: Layer = None,
        genome: Genome = None,
        minimum_genes: MinimumGenes = MINIMUM_GENES,
        any_organism: Flag = False,
        orthologs: Annotated[
            bool, Query(description="Map mouse on human, or human on mouse, by orthologs")
        ] = False,
        rescale_genes: Annotated[
            bool,
            Query(
                description="Put each gene on the atlas's scale by its mean and spread over the "
                "file; each answer then depends on all cells"
            ),
        ] = False,
        fractional_counts: Flag = False,
        groups: Annotated[
            str | None,
            Query(
                description="Column of obs with clusters, or auto: adds the label of most cells "
                f"of each cell's group. {GROUPS_COST}",
                max_length=200,
            ),
        ] = None,
        several_labels: Annotated[
            bool, Query(description="Add all labels above one half, where each is judged by itself")
        ] = False,
        pseudobulk: Annotated[
            str,
            Query(
                description="Columns, of obs or of the result, by which the counts of all genes "
                "are summed up, with commas between: sample,cellport_call",
                max_length=1000,
            ),
        ] = "",
        cell_ontology: Annotated[
            bool, Query(description="Add the term of the Cell Ontology that each cell's call is")
        ] = False,
        cellxgene: Annotated[
            bool, Query(description="The same, with the column called as in CELLxGENE's schema")
        ] = False,
        probabilities: Annotated[
            bool,
            Query(description="Add every label's probability, and labels at each level of a tree"),
        ] = False,
        novel_groups: Annotated[
            bool,
            Query(
                description="Add the number of each cell's group of cells unlike the atlas, as "
                "the report tells of these"
            ),
        ] = False,
        merge_labels: Annotated[
            bool,
            Query(description="Add the group of each label, of those the genes cannot tell apart"),
        ] = False,
        also: Annotated[
            list[AtlasName],
            Query(
                description="Other atlases of the server, by name, to map onto in the same pass: "
                "adds their labels, and what all atlases say together",
                max_length=_MOST_OTHERS,
            ),
        ] = [],  # noqa: B006 - FastAPI copies it
        atlas: WhichAtlas = None,
    ) -> Response:
        """Map an `.h5ad` or 10x `.h5` file, sent as the body, onto the atlas."""
        onto = named(placed, atlas).name
        others = tuple(named(placed, name).name for name in also)
        check_body(request)
        how = MapOptions(
            layer=layer,
            genome=genome,
            minimum_genes=minimum_genes,
            any_organism=any_organism,
            orthologs=orthologs,
            rescale_genes=rescale_genes,
            allow_fractional=fractional_counts,
            groups=groups,
            several_labels=several_labels,
            pseudobulk=pseudobulk if format == "pseudobulk" else "",
            probabilities=probabilities,
            also=others,
            novel_groups=novel_groups,
            merge_labels=merge_labels,
            cell_ontology=cell_ontology,
            cellxgene=cellxgene,
        )
        if format == "pseudobulk" and not how.summed_by:
            raise Refusal(422, "Say by which columns to sum up: pseudobulk=sample,cellport_call.")
        with ExitStack() as stack:
            job = stack.enter_context(jobs.admit())
            await receive_upload(request, job, jobs)
            summary = await unless_gone(request, jobs.map(job, onto, format, how))
            if format == "json":
                return JSONResponse({f.name: getattr(summary, f.name) for f in fields(MapSummary)})
            ending = "pseudobulk.h5ad" if format == "pseudobulk" else format
            result = job.folder / f"result.{ending}"
            return Result(result, _MEDIA[format], stack.pop_all())
