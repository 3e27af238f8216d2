"""Which genes of a type change between conditions, by PyDESeq2 on counts summed up by sample."""

from __future__ import annotations

import contextlib
import io
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.base.processors import available_threads
from cellport.runtime.compare.counts import SampleCounts
from cellport.runtime.compare.design import Design, full_rank, without
from cellport.runtime.decisions import number

if TYPE_CHECKING:
    import pandas as pd

# cells of a type that a sample needs: with fewer, a sum is hardly more than a cell
# (muscat's default, Crowell et al. 2020, Nature Communications 11:6077)
FEWEST_CELLS = 10
# counts of a gene in all samples together; with fewer no difference could be seen
_FEWEST_COUNTS = 10
# a fit takes milliseconds, and processes take seconds to start
_GENES_A_PROCESS = 4000
# also the share of false discoveries for which DESeq2 chooses what it filters
ALPHA = number("compare.alpha")
# as formulas name the column of the comparison
_COMPARED = "condition[T.b]"


@dataclass(frozen=True, slots=True)
class TypeChanges:
    """Genes of one type, compared between two conditions."""

    type: str
    reference: str
    level: str
    samples: tuple[str, ...]  # compared
    # a row a gene: ``mean`` (of normalised counts), ``log2_fold_change``, ``shrunken`` (the same,
    # shrunk by how unsure it is), ``error``, ``statistic``, ``p``, ``p_adjusted`` (empty where the
    # gene was filtered), sorted by p; None where nothing can be said
    genes: pd.DataFrame | None
    note: str = ""  # why there is none, or what was left out

    @property
    def significant(self) -> int:
        """Genes with an adjusted p below 5 %."""
        return 0 if self.genes is None else int((self.genes["p_adjusted"] < ALPHA).sum())


def expression_changes(counts: SampleCounts, design: Design) -> list[TypeChanges]:
    """Compare each type, with the samples that have enough cells of it."""
    return [_of_type(counts, name, design) for name in counts.types]


def _of_type(counts: SampleCounts, name: str, design: Design) -> TypeChanges:
    cells, _ = counts.of_type(name, design.samples.names)
    enough = cells >= FEWEST_CELLS
    part = design if enough.all() else without(design, enough)
    note = ""
    if not enough.all():
        short = np.count_nonzero(~enough)
        note = f"{short} of {len(enough)} samples have fewer than {FEWEST_CELLS} cells of it. "
    ends = name, design.reference, design.level, part.samples.names
    if part.refusal:
        return TypeChanges(*ends, None, note + part.refusal)
    _, summed = counts.of_type(name, part.samples.names)
    kept = summed.sum(axis=0) >= _FEWEST_COUNTS
    if np.count_nonzero(kept) < 2:
        return TypeChanges(*ends, None, note + "No gene has counts enough in these samples.")
    return TypeChanges(*ends, test_genes(summed[:, kept], counts.genes[kept], part), note.strip())


def test_genes(
    counts: NDArray[np.int64], genes: NDArray[np.object_], design: Design
) -> pd.DataFrame:
    """Compare the counts of genes, int64 [samples of the design, genes], by PyDESeq2.

    With its size factors (median of ratios), dispersions shrunk to a trend, Cook's outliers,
    Wald tests, independent filtering and shrunken fold changes (apeGLM).

    References
    ----------
    Love, Huber and Anders 2014, Genome Biology 15:550; Muzellec et al. 2023, Bioinformatics
    39:btad547; Zhu, Ibrahim and Love 2019, Bioinformatics 35:2084.
    """
    import pandas as pd
    from pydeseq2.dds import DeseqDataSet
    from pydeseq2.default_inference import DefaultInference
    from pydeseq2.ds import DeseqStats
    from threadpoolctl import threadpool_limits

    samples = design.samples
    facts = _safe_facts(design)
    names = [f"s{at}" for at in range(len(samples))]
    codes = [f"g{at}" for at in range(len(genes))]
    table = pd.DataFrame(counts, index=names, columns=codes)
    said = pd.DataFrame(facts, index=names)
    processes = available_threads() if len(genes) > _GENES_A_PROCESS else 1
    inference = DefaultInference(n_cpus=processes)
    # every gene is a small fit of its own: threads of the linear algebra would wait for each other
    model, contrast = _model(design, names)
    with _quiet(), threadpool_limits(1):
        data = DeseqDataSet(
            counts=table, metadata=said, design=model, refit_cooks=True, quiet=True,
            inference=inference,
        )  # fmt: skip
        data.deseq2()
        stats = DeseqStats(data, contrast=contrast, alpha=ALPHA, inference=inference, quiet=True)
        stats.summary()
        found = stats.results_df.copy()
        stats.lfc_shrink(coeff=_COMPARED)
        shrunken = stats.results_df["log2FoldChange"]
    made = pd.DataFrame(
        {
            "gene": np.asarray(genes),
            "mean": found["baseMean"].to_numpy(),
            "log2_fold_change": found["log2FoldChange"].to_numpy(),
            "shrunken": shrunken.to_numpy(),
            "error": found["lfcSE"].to_numpy(),
            "statistic": found["stat"].to_numpy(),
            "p": found["pvalue"].to_numpy(),
            "p_adjusted": found["padj"].to_numpy(),
        }
    )
    return made.sort_values(["p", "gene"], kind="stable", na_position="last", ignore_index=True)


def _model(design: Design, names: list[str]) -> tuple[Any, Any]:
    """Return the model and the comparison in it, as PyDESeq2 takes them.

    Columns that others tell already, as batches that hold whole pairs do, would make it singular.
    """
    import pandas as pd

    matrix = full_rank(design)
    if matrix.shape == design.matrix.shape:
        return design.formula, ["condition", "b", "a"]
    held = [f"held{at}" for at in range(2, matrix.shape[1])]
    columns = ["Intercept", _COMPARED, *held]
    return pd.DataFrame(matrix, index=names, columns=columns), np.eye(len(columns))[1]


def _safe_facts(design: Design) -> dict[str, Any]:
    """Condition, pair and batch under names that a formula takes, the reference first."""
    samples = design.samples
    facts: dict[str, Any] = {
        "condition": ["a" if one == design.reference else "b" for one in samples.condition]
    }
    for what in ("pair", "batch"):
        values = getattr(samples, what)
        if values is not None:
            code = {value: f"v{at:04d}" for at, value in enumerate(sorted(set(values)))}
            facts[what] = [code[value] for value in values]
    return facts


@contextlib.contextmanager
def _quiet() -> Any:
    """Keep PyDESeq2's progress and the warnings of its parts to itself."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
