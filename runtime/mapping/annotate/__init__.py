"""What adds columns to mapped cells, one module a subject.

Whatever maps runs all of `ANNOTATORS`: Python, `map_files`, the HTTP API and the workers of a
Dask cluster. A new column is a new module with a ``prepare`` function, and its line here.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import Any

from cellport.runtime.columns import Schema
from cellport.runtime.mapping.annotate import (
    corrected,
    groups,
    labels,
    latent,
    merged,
    neighbors,
    novelty,
    origin,
    quality,
    structure,
)
from cellport.runtime.mapping.annotate.annotator import (
    Annotator,
    Prepare,
    Setting,
    Survey,
    Surveys,
)
from cellport.runtime.mapping.annotate.beside_label import probabilities, several, terms
from cellport.runtime.mapping.annotate.beside_novelty import group_numbers

# in the order of the columns
ANNOTATORS: tuple[Prepare, ...] = (
    latent.prepare,
    labels.prepare,
    several.prepare,
    probabilities.prepare,
    terms.prepare,
    merged.prepare,
    groups.prepare,
    novelty.prepare,
    group_numbers.prepare,
    quality.prepare,
    structure.prepare,
    neighbors.prepare,
    corrected.prepare,
    origin.prepare,
)


def annotators(setting: Setting) -> tuple[Annotator, ...]:
    """Prepare everything that has something to say of these cells.

    Raises
    ------
    CellportError
        The atlas or the options do not allow it.
    """
    made = (prepare(setting) for prepare in ANNOTATORS)
    return tuple(one for one in made if one is not None)


def schema_of(annotators: Sequence[Annotator]) -> Schema:
    """Names and types of all that they add."""
    return reduce(add, (one.schema for one in annotators), Schema())


def survey_of(annotators: Sequence[Annotator]) -> Survey | None:
    """Return what has to see all cells before the first gets its columns, where something has."""
    found = [one.survey for one in annotators if one.survey]
    return Surveys(found) if len(found) > 1 else next(iter(found), None)


def facts_of(annotators: Sequence[Annotator]) -> dict[str, Any]:
    """Return what ``uns["cellport"]`` says of them, by key."""
    return {key: fact for one in annotators for key, fact in one.facts.items()}
