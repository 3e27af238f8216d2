"""Sources of a reference, opened as training takes them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from cellport.runtime.decisions import say
from cellport.runtime.errors import InputError
from cellport.runtime.sources import CountSource, open_source

# what a query may do with counts that have fractions, and a reference has to: a likelihood of
# counts knows none
_MAPPED = say("gate.allow_fractions")
_TRAINED = (
    " If these are expected counts (RSEM) or counts corrected for ambient RNA, give those from "
    "before the correction, or round them to whole numbers first."
)


@contextmanager
def opened_source(source: Any, layer: str | None, genome: str | None) -> Iterator[CountSource]:
    """Open a source of whole counts, and close it in the end.

    Raises
    ------
    InputError
        It holds no raw counts, or some that are not whole.
    """
    try:
        with closing(open_source(source, layer=layer, genome=genome)) as opened:
            yield opened
    except InputError as error:
        raise InputError(str(error).replace(_MAPPED, _TRAINED)) from None
