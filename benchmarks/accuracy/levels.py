"""Cells of which only a coarser label is known: trained as one of the finer ones, or not.

    python -m benchmarks.accuracy.levels

Of a random share of the training cells only the coarser label is kept, where it is above two fine
ones or more. The fine labels of a batch that was left out (of one batch, of three cells in ten)
are scored with such cells trained as one of the finer labels (`within`), as a label of their own
beside these (`own`), without a label (`none`), and with the fine label after all (`fine`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.shared.command import parser
from benchmarks.shared.data import Dataset, codes, strings
from benchmarks.shared.fitted import training_cells
from benchmarks.shared.results import facts, write
from cellport.train.cells import CoarseLabels, TrainingCells
from cellport.train.config import FitConfig
from cellport.train.fit.loop import fit
from cellport.train.infer import TrainedEncoder, encode_cells
from cellport.train.labels.scores import label_scores
from cellport.train.reference.panel import select_panel

SHARES = (0.3, 0.5, 0.7)
WAYS = ("within", "own", "none")
TESTED = 0.3
# coarser labels where the file has no column of them
LINEAGES = {
    "endocrine": ("alpha", "beta", "delta", "gamma"),
    "exocrine": ("acinar", "ductal"),
    "stellate": ("activated_stellate", "quiescent_stellate"),
    "immune": ("macrophage", "mast", "t_cell"),
    "T": ("Naive CD4 T", "Memory CD4 T", "CD8 T"),
    "monocyte": ("CD14+ Mono", "FCGR3A+ Mono"),
}
LINEAGE_OF = {fine: coarse for coarse, members in LINEAGES.items() for fine in members}


@dataclass(frozen=True)
class Case:
    """A dataset and its column of coarser labels; None where they are `LINEAGES`."""

    dataset: Dataset
    coarse: str | None = None


CASES = {
    "lung": Case(Dataset("human_lung_hlca", batch="donor"), "cell_type_coarse"),
    "human pancreas": Case(Dataset("human_pancreas_3donors", batch="donor")),
    "pbmc3k": Case(Dataset("pbmc3k_10x", "cell_type_fine")),
}


def splits(batch: NDArray[np.int64], seed: int) -> Iterator[NDArray[np.bool_]]:
    """Cells to test on: each batch in turn, or some of one."""
    if batch.max():
        yield from (batch == code for code in range(int(batch.max()) + 1))
    else:
        yield np.random.default_rng(seed).random(len(batch)) < TESTED


def trained_on(
    cells: TrainingCells, coarse: NDArray[np.object_], hidden: NDArray[np.bool_], way: str
) -> TrainingCells:
    """Cells of which some, bool [cells], have a coarser label, object [cells], alone."""
    fine = np.unique(cells.label)
    above = np.array([coarse[cells.label == code][0] for code in fine])
    names = [name for name in np.unique(above) if (above == name).sum() > 1]
    group = np.array([names.index(name) if name in names else -1 for name in coarse])
    group[~hidden] = -1
    label = np.where(group >= 0, -1, cells.label)
    if way == "fine":
        return cells
    if way == "own":
        number = cells.n_labels + len(names)
        return replace(
            cells, label=np.where(group >= 0, cells.n_labels + group, label), n_labels=number
        )
    if way == "none":
        return replace(cells, label=label)
    members = np.zeros((len(names), cells.n_labels), bool)
    for code, name in zip(fine, above, strict=True):
        if name in names:
            members[names.index(name), code] = True
    return replace(cells, label=label, coarse=CoarseLabels(tuple(names), members, group))


def measure(name: str, seed: int) -> Iterator[dict[str, Any]]:
    case = CASES[name]
    read = case.dataset.read()
    counts = read.X.tocsr().astype(np.float32)
    fine, batch = strings(read, case.dataset.label), codes(strings(read, case.dataset.batch))
    found = (
        strings(read, case.coarse) if case.coarse else [LINEAGE_OF.get(one, one) for one in fine]
    )
    coarse = np.array(found, object)
    for number, tested in enumerate(splits(batch, seed)):
        rows, names = np.flatnonzero(~tested), np.unique(fine[~tested])
        judged = np.flatnonzero(tested & np.isin(fine, names))
        panel = select_panel(counts[rows], codes(batch[rows].astype(str)))
        label = np.searchsorted(names.astype(str), fine[rows].astype(str)).astype(np.int64)
        whole = training_cells(counts[rows][:, panel], label, codes(batch[rows].astype(str)), seed)
        query = counts[judged][:, panel]
        for share in (0.0, *SHARES):
            hidden = np.random.default_rng([seed, number]).random(len(rows)) < share
            # a label that nobody has any more is no label: one cell of each keeps it
            hidden[np.unique(label, return_index=True)[1]] = False
            for way in WAYS if share else ("fine",):
                cells = trained_on(whole, coarse[rows], hidden, way)
                model = fit(cells, FitConfig(seed=seed))
                rng, all_rows = np.random.default_rng(0), np.arange(len(judged))
                _, logits = encode_cells(TrainedEncoder(model), query, all_rows, 1024, None, rng)
                answered = np.array([*names, *["coarse"] * (logits.shape[1] - len(names))], object)
                best = answered[logits.argmax(axis=1)]
                finest = names[logits[:, : len(names)].argmax(axis=1)]
                prob = np.ones(len(best))
                yield {
                    "dataset": name,
                    "seed": seed,
                    "left_out": number,
                    "share": share,
                    "way": way,
                    "macro_f1": round(label_scores(fine[judged], best, prob)["macro_f1"], 4),
                    "macro_f1_of_finest": round(
                        label_scores(fine[judged], finest, prob)["macro_f1"], 4
                    ),
                }


def main() -> None:
    command = parser("accuracy.levels", __doc__, "out")
    command.add_argument("--seeds", type=int, default=1)
    command.add_argument("--dataset", action="append", choices=list(CASES))
    options = command.parse_args()
    torch.set_num_threads(1)
    rows = []
    for name in options.dataset or CASES:
        for seed in range(options.seeds):
            for row in measure(name, seed):
                print(row, flush=True)
                rows.append(row)
    write(options.out, facts() | {"levels": rows})


if __name__ == "__main__":
    main()
