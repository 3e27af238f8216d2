"""Genes of another species, read as their one-to-one orthologs in the species of the atlas.

Same as `web/page/src/genes/orthologs.ts`.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.decisions import say, text, texts
from cellport.runtime.errors import InputError
from cellport.runtime.genes.organism import infer_organism
from cellport.runtime.genes.rules import without_version

SPECIES = texts("orthologs.species")
_SHIPPED = Path(__file__).parent / "data" / "orthologs_human_mouse.tsv.gz"


@dataclass(frozen=True, slots=True)
class Translated:
    """Names of a query's genes as the other species calls their orthologs."""

    columns: dict[str, NDArray[np.object_]]  # '' for a gene without a partner
    source: str  # species of the query
    genes: int  # genes of the query that have a partner, by the column that has most


@cache
def orthologs(source: str) -> dict[str, str]:
    """Return what orthologs of a species' genes are called in the other, by symbol and Ensembl id.

    Names are in capital letters; ``data/README.md`` says where the table is from.
    """
    pairs: dict[str, str] = {}
    for line in gzip.decompress(_SHIPPED.read_bytes()).decode().splitlines():
        human_id, human, mouse_id, mouse = line.split("\t")
        if source == "human":
            human_id, human, mouse_id, mouse = mouse_id, mouse, human_id, human
        pairs |= {name.upper(): human or human_id for name in (mouse_id, mouse) if name}
    return pairs


def translate(columns: Mapping[str, NDArray[np.object_]], target: str, source: str) -> Translated:
    """Name the genes of a query as their orthologs in the atlas's species are named.

    Parameters
    ----------
    columns
        Candidate gene names, object arrays of str [genes] by column name.
    target
        Species of the atlas.
    source
        The query in words, for messages.

    Raises
    ------
    InputError
        The atlas is of neither species, the query of the atlas's own, or hardly any gene is known.
    """
    if target not in SPECIES:
        stated = target or text("orthologs.not_stated")
        raise InputError(say("orthologs.unknown", stated=stated))
    other = next(one for one in SPECIES if one != target)
    seen = {infer_organism(names.tolist()) for names in columns.values()} - {None}
    if seen == {target}:
        raise InputError(say("orthologs.same", source=source, target=target))
    known = orthologs(other)
    named = {
        column: np.asarray(
            [known.get(without_version(name.strip().upper()), "") for name in names.tolist()],
            object,
        )
        for column, names in columns.items()
    }
    most = max((int((names != "").sum()) for names in named.values()), default=0)
    if not most:
        raise InputError(say("orthologs.none", source=source, other=other, target=target))
    return Translated(named, other, most)
