"""Compare conditions from results of mapping."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from cellport.runtime.base.extras import require
from cellport.runtime.compare.found import Comparison, comparison
from cellport.runtime.compare.study import Columns, Sources, read_study
from cellport.runtime.errors import InputError
from cellport.runtime.sources.memory import is_anndata

Place = str | os.PathLike[str]


def compare(
    mapped: Any,
    condition: str,
    *,
    sample: str | None = None,
    reference_level: str | None = None,
    pairs: str | None = None,
    batch: str | None = None,
    type: str | None = None,
    counts: Any = (),
    samples: Place | None = None,
    out: Place | None = None,
    report: bool = False,
    figures: Place | None = None,
) -> Comparison:
    """Compare conditions, each sample being one observation.

    Parameters
    ----------
    mapped
        One result of `map_files` or several, or what ``--pseudobulk`` wrote beside one, or an
        AnnData; several without `sample` are a sample each.
    condition
        Column of conditions: of the result, of the queries in `counts`, or of `samples`.
    sample
        Column that tells samples apart; the files, where there are several.
    reference_level
        Condition that the others are compared with; the one called control or healthy, or the
        first by name.
    pairs
        Column of what samples are compared within: patients before and after. Where it is also
        `sample`, the cells of one condition of a patient are a sample.
    batch
        Column of batches of samples, which are held even.
    type
        Column of the result by which expression is compared; its calls.
    counts
        The queries that were mapped, whose counts are summed up by sample and type; not needed
        where that was done while mapping (``pseudobulk``).
    samples
        Table, .csv or .tsv, with a line a sample: its name first, then the other columns.
    out
        Folder for tables; and for a page with `report`.
    report
        Write ``report.html`` there too.
    figures
        Folder for each picture as SVG and PNG, with its table.

    Returns
    -------
    Comparison
        Tables, samples and notes; with too few samples there is no p-value but a sentence.

    Raises
    ------
    InputError
        A column is nowhere, a sample is of two conditions, or there is nothing to compare.
    MissingDependencyError
        PyDESeq2 is not installed.
    OutputError
        A folder cannot be written.

    Examples
    --------
    >>> cellport.compare(
    ...     "mapped.h5ad", "disease", sample="donor", counts="my_cells.h5ad", out="compared"
    ... )  # doctest: +SKIP
    """
    require("compare", "Comparing conditions")
    from cellport.runtime.compare.counts import Queries
    from cellport.runtime.compare.inputs import read_result, read_samples
    from cellport.runtime.compare.write import check_folders, write_comparison

    if report and out is None:
        raise InputError("A report is written to the folder of the tables; name it as out.")
    check_folders(out, figures)
    results = [read_result(one) for one in _listed(mapped)]
    queries = Queries(_listed(counts)) if counts is not None and len(_listed(counts)) else None
    try:
        table = None if samples is None else read_samples(samples)
        columns = Columns(condition, sample, pairs, batch, type)
        study = read_study(results, columns, Sources(queries, table))
    finally:
        if queries is not None:
            queries.close()
    found = comparison(study, reference_level)
    write_comparison(found, out, report, figures)
    return found


def _listed(given: Any) -> Sequence[Any]:
    if isinstance(given, str | os.PathLike) or is_anndata(given):
        return [given]
    return list(given)
