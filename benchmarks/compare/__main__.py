"""Comparison of conditions: false positives, power, agreement with peers, cost.

    python -m benchmarks.compare                     all parts
    python -m benchmarks.compare composition         one: composition expression stimulated cost
    python -m benchmarks.compare --table             tables alone

The donors are the controls of Kang et al. 2018 with the labels of that study, so that what is
measured is the comparison; made-up cohorts have their means and their spread. The peers are limma
(propeller, whose functions are in ``peers.R``) and DESeq2, in R: ``apt-get install r-bioc-deseq2
r-bioc-limma r-cran-statmod``. Results go to ``benchmarks/results/compare.json``, the tables to
``docs/compare.md``.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2_contingency

from benchmarks.compare.cohorts import (
    FEWEST_CELLS,
    Donors,
    design,
    donors,
    even_splits,
    halves,
    made_up,
    made_up_counts,
    wilcoxon,
)
from benchmarks.shared.command import parser
from benchmarks.shared.results import ROOT, add, fill, markdown, read
from benchmarks.shared.tiled import kept_file
from benchmarks.shared.timing import timed
from cellport.runtime.compare.composition import Composition, changes
from cellport.runtime.compare.expression import test_genes as compare_genes

COHORTS, SPLITS, ROUNDS = 1000, 200, 3
# cells are tested on fewer: it takes long, and the answer is plain
OF_CELLS = 100
SIZES = (4, 6, 12)
FOLDS = (1.5, 2.0)
TYPE = "CD14+ Monocytes"
INTERFERON = (
    "ISG15", "IFI6", "ISG20", "IFIT3", "IFIT1", "IFIT2", "MX1", "LY6E", "CXCL10", "CXCL11",
    "IFITM3", "IFITM2", "TNFSF10", "APOBEC3A", "IRF7", "OAS1", "IFI35", "B2M", "EIF2AK2", "RSAD2",
    "CCL8", "IDO1", "PLSCR1", "GBP1", "NT5C3A", "IFI27", "IFI44", "IFI44L", "HERC5", "SAT1",
    "XAF1", "STAT1", "SAMD9L", "UBE2L6", "PSMB9", "BST2", "MT2A", "SP110", "LAP3", "IFI16",
)  # fmt: skip


def ours(cells: NDArray[np.float64], side: NDArray[np.int64]) -> NDArray[np.float64]:
    """P-values of the types."""
    made = design(side)
    names = tuple(str(at) for at in range(cells.shape[1]))
    found = changes(Composition("type", names, made.samples.names, cells), made)
    return np.array([one.p for one in found])


def of_cells(cells: NDArray[np.float64], side: NDArray[np.int64]) -> NDArray[np.float64]:
    """P-values of the types when cells are tested: chi-square on each against the rest."""
    both = np.array([cells[side == one].sum(axis=0) for one in (0, 1)])
    found = []
    for at in range(cells.shape[1]):
        table = np.column_stack([both[:, at], both.sum(axis=1) - both[:, at]])
        found.append(chi2_contingency(table + 1e-9).pvalue)
    return np.array(found)


def in_r(what: str, files: dict[str, NDArray[Any]], out: str) -> NDArray[np.float64]:
    """Run a peer on tables, and read what it wrote."""
    with tempfile.TemporaryDirectory() as folder:
        for name, values in files.items():
            np.savetxt(Path(folder) / name, values, delimiter=",", fmt="%d")
        script = Path(__file__).with_name("peers.R")
        subprocess.run(["Rscript", str(script), what, folder], check=True)
        return np.genfromtxt(Path(folder) / out, delimiter=",", missing_values="NA")


def propeller(cohorts: list[tuple[NDArray[np.float64], NDArray[np.int64]]]) -> NDArray[np.float64]:
    """P-values of all cohorts, float [cohorts, types]."""
    cells = np.concatenate([np.column_stack([np.full(len(c), at), c]) for at, (c, _) in
                            enumerate(cohorts)])  # fmt: skip
    side = np.concatenate([side for _, side in cohorts])
    return in_r("propeller", {"cells.csv": cells, "side.csv": side}, "p.csv")


def composition(real: Donors) -> dict[str, Any]:
    """Measure false positives and power of composition."""
    rng = np.random.default_rng(0)
    found: dict[str, Any] = {"null": {}, "power": {}}
    splits = [(real.cells, rng.permutation(halves(4))) for _ in range(SPLITS)]
    found["null"]["Kang donors 4+4"] = _null(splits)
    for n in SIZES:
        cohorts = [(made_up(real, n, rng)[0], halves(n)) for _ in range(COHORTS)]
        found["null"][f"made up {n}+{n}"] = _null(cohorts)
        for fold in FOLDS:
            planted = [made_up(real, n, rng, fold) for _ in range(COHORTS)]
            cohorts = [(cells, halves(n)) for cells, _ in planted]
            peer = propeller(cohorts)
            hits = [ours(*one)[at] < 0.05 for one, (_, at) in zip(cohorts, planted, strict=True)]
            theirs = [peer[row, at] < 0.05 for row, (_, at) in enumerate(planted)]
            found["power"][f"{n}+{n}, times {fold:g}"] = {
                "cellport": float(np.mean(hits)),
                "propeller": float(np.mean(theirs)),
            }
    return found


def _null(cohorts: list[tuple[NDArray[np.float64], NDArray[np.int64]]]) -> dict[str, float]:
    return {
        "cellport": _below([ours(*one) for one in cohorts]),
        "propeller": _below(list(propeller(cohorts))),
        "cells": _below([of_cells(*one) for one in cohorts[:OF_CELLS]]),
        "cohorts": len(cohorts),
    }


def _below(p: list[NDArray[np.float64]]) -> float:
    every = np.concatenate(p)
    return float(np.mean(every[np.isfinite(every)] < 0.05))


def expression(real: Donors, splits: int) -> dict[str, Any]:
    """Measure false positives of expression, and how PyDESeq2 here and DESeq2 in R agree."""
    rng = np.random.default_rng(1)
    found: dict[str, Any] = {"null": {}, "planted": []}
    enough = real.cells[:, real.types.index(TYPE)] >= FEWEST_CELLS
    counts = real.counts[TYPE][enough]
    sides = even_splits(len(counts))
    chosen = [sides[at] for at in rng.permutation(len(sides))[:splits]]
    found["null"][f"Kang donors {len(counts) // 2}+{len(counts) - len(counts) // 2}"] = {
        "cellport": _below([_genes(counts, side)["p"] for side in chosen]),
        "cells": _below([wilcoxon(TYPE, side) for side in chosen[:3]]),
        "splits": len(chosen),
    }
    for n in SIZES:
        made = [made_up_counts(real, TYPE, n, rng) for _ in range(max(splits // 4, 2))]
        p = [_genes(one, halves(n))["p"] for one in made]
        found["null"][f"made up {n}+{n}"] = {"cellport": _below(p), "splits": len(made)}
    for n in SIZES:
        found["planted"].append(_planted(made_up_counts(real, TYPE, n, rng), halves(n), rng))
    return found


def _planted(
    counts: NDArray[np.int64], side: NDArray[np.int64], rng: np.random.Generator
) -> dict[str, Any]:
    """Plant twice the expression in a tenth of the genes of one side, by thinning the other."""
    changed = rng.random(counts.shape[1]) < 0.1
    planted = counts.copy()
    thinned = np.outer(np.asarray(side) == 0, changed)
    planted[thinned] = rng.binomial(planted[thinned], 0.5)
    kept: NDArray[np.bool_] = planted.sum(axis=0) >= 10
    mine = _genes(planted[:, kept], side)
    files = {"counts.csv": planted[:, kept], "side.csv": side}
    peer = in_r("deseq2", files, "genes.csv")
    known = np.isfinite(peer[:, 0]) & np.isfinite(mine["change"])
    hit = np.asarray(changed)[kept]
    return {
        "samples": f"{len(side) // 2}+{len(side) // 2}",
        "correlation": float(np.corrcoef(peer[known, 0], mine["change"][known])[0, 1]),
        "cellport": float(np.mean(mine["adjusted"][hit] < 0.05)),
        "deseq2": float(np.mean(peer[hit, 2] < 0.05)),
        "false_cellport": float(np.mean(mine["p"][~hit] < 0.05)),
        "false_deseq2": float(np.mean(peer[~hit, 1] < 0.05)),
    }


def _genes(counts: NDArray[np.int64], side: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """Results in the order of the genes."""
    kept = np.flatnonzero(counts.sum(axis=0) >= 10)
    names = np.array([f"{at:06d}" for at in kept], object)
    table = compare_genes(counts[:, kept], names, design(side)).sort_values("gene")
    return {
        "p": table["p"].to_numpy(),
        "adjusted": table["p_adjusted"].to_numpy(),
        "change": table["log2_fold_change"].to_numpy(),
    }


def stimulated(real: Donors) -> dict[str, Any]:
    """Count interferon genes among the ten of each type that grow most, of stimulated donors."""
    found = {}
    for at, name in enumerate(real.types):
        control = real.counts[name][real.cells[:, at] >= FEWEST_CELLS]
        treated = real.stimulated[name][real.stimulated_cells[:, at] >= FEWEST_CELLS]
        if len(control) < 2 or len(treated) < 2:
            continue
        counts = np.concatenate([control, treated])
        sides = design(np.repeat([0, 1], [len(control), len(treated)]))
        kept = counts.sum(axis=0) >= 10
        table = compare_genes(counts[:, kept], real.genes[kept], sides)
        sure = table[table["p_adjusted"] < 0.05].sort_values("shrunken", ascending=False)
        up = sure["gene"].tolist()[:10]
        found[name] = {
            "samples": f"{len(control)}+{len(treated)}",
            "first": up,
            "interferon": sum(gene in INTERFERON for gene in up),
            "changed": len(sure),
        }
    return found


def cost(cache: Path, n_cells: int) -> dict[str, Any]:
    """Seconds and memory of a mapping with and without summed counts, in turns."""
    query = kept_file(cache / f"query_{n_cells}.h5ad", n_cells)
    atlas = ROOT / "models" / "pretrained" / "lung.cellport"
    plain = [sys.executable, "-m", "cellport", "map", str(atlas), str(query), "-o",
             str(cache / "o.h5ad")]  # fmt: skip
    summed = [*plain, "--pseudobulk", "donor,cellport_call"]
    commands = {"plain": plain, "pseudobulk": summed}
    turns = [{name: timed(one) for name, one in commands.items()} for _ in range(ROUNDS)]
    return {"cells": n_cells, "rounds": ROUNDS} | {
        name: {
            what: statistics.median(getattr(turn[name], what) for turn in turns)
            for what in ("wall", "cpu", "memory_mb")
        }
        for name in commands
    }


def tables(made: dict[str, Any]) -> str:
    """Set all that was measured."""
    kinds = {
        "composition": (_null_table, _power_table),
        "expression": (_genes_null_table, _genes_table),
        "stimulated": (_stimulated_table,),
        "cost": (_cost_table,),
    }
    set_ = [table(made[name]) for name, of in kinds.items() if name in made for table in of]
    return "\n\n".join(set_)


def _null_table(made: dict[str, Any]) -> str:
    who = ("cellport", "propeller", "cells")
    rows = [
        (name, *(_percent(one[each]) for each in who), f"{one['cohorts']:,}")
        for name, one in made["null"].items()
    ]
    head = ("composition, no difference", "cellport", "propeller", "testing cells", "cohorts")
    return markdown(head, rows)


def _power_table(made: dict[str, Any]) -> str:
    rows = [
        (name, _percent(one["cellport"]), _percent(one["propeller"]))
        for name, one in made["power"].items()
    ]
    return markdown(("planted in one type", "cellport", "propeller"), rows)


def _genes_null_table(made: dict[str, Any]) -> str:
    rows = [
        (name, _percent(one["cellport"]), _percent(one.get("cells")), str(one["splits"]))
        for name, one in made["null"].items()
    ]
    return markdown(("expression, no difference", "cellport", "testing cells", "cohorts"), rows)


def _genes_table(made: dict[str, Any]) -> str:
    who = ("cellport", "deseq2", "false_cellport", "false_deseq2")
    rows = [
        (one["samples"], f"{one['correlation']:.5f}", *(_percent(one[each]) for each in who))
        for one in made["planted"]
    ]
    head = (
        "twice in a tenth of genes", "correlation of log changes", "found", "by DESeq2 in R",
        "p below .05 elsewhere", "by DESeq2 in R",
    )  # fmt: skip
    return markdown(head, rows)


def _stimulated_table(made: dict[str, Any]) -> str:
    rows = [
        (name, one["samples"], str(one["interferon"]), ", ".join(one["first"][:5]))
        for name, one in made.items()
        if isinstance(one, dict)
    ]
    head = ("stimulated against control", "samples", "interferon genes of the first 10", "first")
    return markdown(head, rows, "lrrl")


def _cost_table(made: dict[str, Any]) -> str:
    rows = [
        (name, f"{one['wall']:.1f}", f"{one['cpu']:.1f}", f"{one['memory_mb']:.0f}")
        for name, one in made.items()
        if isinstance(one, dict)
    ]
    return markdown((f"{made['cells']:,} cells", "seconds", "processor seconds", "MB"), rows)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"


def main() -> None:
    command = parser("compare", __doc__, "out table cache note")
    command.add_argument("parts", nargs="*", default=[])
    command.add_argument("--splits", type=int, default=12, help="of donors, for expression")
    command.add_argument("--cells", type=int, default=1_000_000, help="of the file mapped for cost")
    options = command.parse_args()
    todo: dict[str, Callable[[], dict[str, Any]]] = {
        "composition": lambda: composition(donors()),
        "expression": lambda: expression(donors(), options.splits),
        "stimulated": lambda: stimulated(donors()),
        "cost": lambda: cost(options.cache, options.cells),
    }
    for name in [] if options.table else options.parts or todo:
        add(options.out, name, todo[name](), options.note)
    text = tables(read(options.out))
    if options.out == command.get_default("out"):
        fill(ROOT / "docs" / "compare.md", "benchmarks.compare", text)
    print(text)


if __name__ == "__main__":
    main()
