"""What reference cells tell of a published model: calibration, label sets, novelty.

    python -m benchmarks.foreign.reference --peers-python /path/to/python

A model is trained by its package on batches of a dataset and asked about one that it has not seen.
It is converted as it is, with the cells that it was trained on as reference (``own``), and with
other cells of the same batches (``other``: half of them train, half are the reference). For novelty
a type is left out of all this, and scVI with the distance to its 15 nearest neighbours, trained on
the same cells, says how strange each cell is beside it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anndata
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

import cellport
from benchmarks.shared.command import parser
from benchmarks.shared.data import SPLITS, Dataset, Parts, strings
from benchmarks.shared.results import ROOT, add, fill, markdown, read
from benchmarks.shared.timing import module
from cellport.train.labels.scores import expected_calibration_error

KINDS = ("celltypist", "scanvi")
AT_MOST = 3000
# types left out in turn: those with most cells in the query, of which it has so many at least
UNSEEN, FEWEST_UNSEEN = 2, 20
PAGE, MARK = ROOT / "docs" / "convert.md", "benchmarks.foreign.reference"
LABEL, BATCH = "label", "batch"
# between the labels of a set, in results
SEPARATOR = ";"


def _donor(cells: anndata.AnnData) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    left_out = (cells.obs["donor"] == "human4").to_numpy()
    return ~left_out, left_out


CASES: dict[str, tuple[Dataset, Parts]] = {
    name: SPLITS[name] for name in ("Kang donors", "lung Smart-seq2")
} | {"pancreas donor": (Dataset("human_pancreas_3donors", batch="donor"), _donor)}


@dataclass(frozen=True)
class Model:
    """A package's model on some cells: its files, and the reference and the query beside it."""

    kind: str
    folder: Path
    peers_python: str

    @property
    def trained(self) -> Path:
        """The package's file or folder, made once."""
        made = self.folder / self.kind
        file = made / ("model.pkl" if self.kind == "celltypist" else "model.pt")
        if not file.exists():
            self._peer("foreign.peers", "train", self.kind, self.folder / "train.h5ad", made)
        return file if self.kind == "celltypist" else made

    def atlas(self, name: str, reference: Path | None) -> cellport.Atlas:
        """Convert it, with reference cells or without."""
        out = self.folder / f"{self.kind}_{name}.cellport"
        if reference is None:
            cellport.convert_model(self.trained, out)
        else:
            how = cellport.ReferenceOptions(labels=LABEL, batch=BATCH)
            cellport.convert_with_reference(self.trained, out, str(reference), how=how)
        return cellport.load_atlas(out)

    def neighbours(self) -> NDArray[np.float64]:
        """How far scVI sees query cells from the reference, float64 [cells]."""
        made = self.folder / "scvi.json"
        if not made.exists():
            self._peer("novelty.peers", "scvi", self.folder)
        return np.asarray(json.loads(made.read_text())["scores"]["query"])

    def _peer(self, name: str, *arguments: object) -> None:
        subprocess.run(module(name, *arguments, python=self.peers_python), check=True)


def written(name: str, folder: Path, unseen: str = "") -> Iterator[tuple[str, Path]]:
    """Write the files of a case, once: how the reference is related to the model, and where."""
    for relation in ("own",) if unseen else ("own", "other"):
        place = folder / name.replace(" ", "_") / (unseen.replace("/", "_") or relation)
        if not (place / "query.h5ad").exists():
            place.mkdir(parents=True, exist_ok=True)
            _write(name, place, relation, unseen)
        yield relation, place


def _write(name: str, place: Path, relation: str, unseen: str) -> None:
    from benchmarks.accuracy.cases import in_panel

    cells, in_reference, in_query = labelled(name)
    rng = np.random.default_rng(0)
    label = strings(cells, LABEL)
    rows = rng.permutation(np.flatnonzero(in_reference & (label != unseen)))[:AT_MOST]
    trained, reference = (rows, rows) if relation == "own" else np.array_split(rows, 2)
    query = np.flatnonzero(in_query & np.isin(label, [*np.unique(label[trained]), unseen]))
    for part, some in (("train", trained), ("reference", reference), ("query", query)):
        chosen = cells[np.sort(some)].copy()
        if part == "reference":
            chosen.var["panel"] = in_panel(chosen)
        chosen.write_h5ad(place / f"{part}.h5ad", compression="gzip")


def labelled(
    name: str,
) -> tuple[anndata.AnnData, NDArray[np.bool_], NDArray[np.bool_]]:
    """Cells of a case with their labels and batches, those of the reference, and the others."""
    dataset, parts = CASES[name]
    cells = dataset.read()
    in_reference, in_query = parts(cells)
    label, batch = strings(cells, dataset.label), strings(cells, dataset.batch)
    cells.obs = cells.obs[[]].assign(**{LABEL: label, BATCH: batch})
    known = cells.obs[LABEL].isin(set(label[in_reference])).to_numpy()
    return cells, in_reference, in_query & known


def unseen_types(name: str) -> list[str]:
    """Return the types that are left out in turn."""
    cells, _, in_query = labelled(name)
    number = cells.obs.loc[in_query, LABEL].value_counts()
    return [str(one) for one in number[number >= FEWEST_UNSEEN].index[:UNSEEN]]


def judged(model: Model) -> dict[str, float]:
    """How well the probabilities and label sets of query cells hold, and false alarms."""
    query = anndata.read_h5ad(model.folder / "query.h5ad")
    truth = strings(query, LABEL)
    source = model.atlas("alone", None).map(query, minimum_genes=0.0)
    atlas = model.atlas("attached", model.folder / "reference.h5ad")
    found = atlas.map(query, minimum_genes=0.0)
    right = found["cellport_label"] == truth
    sets = [str(names).split(SEPARATOR) for names in found["cellport_label_set"]]
    return {
        "cells": len(truth),
        "accuracy": float(right.mean()),
        "ece_source": expected_calibration_error(source["cellport_prob"], right),
        "ece": expected_calibration_error(found["cellport_prob"], right),
        "too_sure": float(found["cellport_prob"].mean() - right.mean()),
        "level": float(atlas.manifest.thresholds.set_level),
        "coverage": float(np.mean([one in names for one, names in zip(truth, sets, strict=True)])),
        "set_size": float(np.mean([len(names) for names in sets])),
        "novel_known": float((found["cellport_novelty_p"] < 0.05).mean()),
    }


def told_apart(model: Model, unseen: str) -> dict[str, float]:
    """How well the cells of a type that was left out are told from the others."""
    query = anndata.read_h5ad(model.folder / "query.h5ad")
    strange = strings(query, LABEL) == unseen
    found = model.atlas("attached", model.folder / "reference.h5ad").map(query, minimum_genes=0.0)
    p = found["cellport_novelty_p"]
    return {
        "unseen_cells": int(strange.sum()),
        "auroc": float(roc_auc_score(strange, -p)),
        "auroc_scvi": float(roc_auc_score(strange, model.neighbours())),
        "found": float((p[strange] < 0.05).mean()),
        "novel_known": float((p[~strange] < 0.05).mean()),
    }


def run(options: argparse.Namespace) -> None:
    """Measure what the results lack, or everything with ``--again``."""
    for name in options.case:
        for unseen in ("", *unseen_types(name)):
            for relation, place in written(name, options.cache, unseen):
                for kind in KINDS:
                    key = " / ".join((name, kind, f"without {unseen}" if unseen else relation))
                    if key in read(options.out) and not options.again:
                        continue
                    model = Model(kind, place, options.peers_python)
                    found = told_apart(model, unseen) if unseen else judged(model)
                    about = {"case": name, "kind": kind, "relation": relation, "unseen": unseen}
                    rounded = {name: round(value, 4) for name, value in found.items()}
                    add(options.out, key, about | rounded, options.note)
                    print(key, json.dumps(rounded), flush=True)


def tables(results: dict[str, Any]) -> str:
    """Labels of every case, then the types left out."""
    labels = [
        [row["case"], row["kind"], row["relation"], f"{row['accuracy']:.3f}",
         f"{row['ece_source']:.3f}", f"{row['ece']:.3f}", f"{row['level']:.2f}",
         f"{row['coverage']:.3f}", f"{row['set_size']:.2f}", f"{row['novel_known']:.3f}"]
        for row in results.values() if not row["unseen"]
    ]  # fmt: skip
    types = [
        [row["case"], row["kind"], row["unseen"], str(row["unseen_cells"]), f"{row['auroc']:.3f}",
         f"{row['auroc_scvi']:.3f}", f"{row['found']:.2f}", f"{row['novel_known']:.3f}"]
        for row in results.values() if row["unseen"]
    ]  # fmt: skip
    heads = (
        ["query", "model", "reference", "accuracy", "ECE as converted", "ECE", "sets' level",
         "coverage", "labels in a set", "known cells with p < .05"],
        ["query", "model", "left out", "its cells", "AUROC", "scVI + kNN", "found at p < .05",
         "known cells with p < .05"],
    )  # fmt: skip
    sides = ("lllrrrrrrr", "lllrrrrr")
    return "\n\n".join(map(markdown, heads, (labels, types), sides))


def main() -> None:
    command = parser("foreign.reference", __doc__, "out table again cache peers-python note")
    command.add_argument("--case", nargs="+", choices=list(CASES), default=list(CASES))
    options = command.parse_args()
    if not options.table:
        if not options.peers_python:
            command.error("the models are trained by their packages: --peers-python")
        run(options)
    text = tables(read(options.out))
    fill(PAGE, MARK, text)
    print(text)


if __name__ == "__main__":
    main()
