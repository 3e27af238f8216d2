from __future__ import annotations

import numpy as np

from cellport.runtime.columns import QUALITIES, Column, MappedBlock, Schema
from cellport.runtime.mapping.gather.tally import Tally

QUALITY = Column("cellport_qc", "category", QUALITIES)
SCHEMA = Schema((Column("cellport_call", "category", ("B", "T", "unknown")), QUALITY))


def tally(schema: Schema, calls: list[int], quality: list[int], prob: list[float]) -> Tally:
    obs = {
        "cellport_call": np.array(calls, np.int32),
        "cellport_qc": np.array(quality, np.int32),
        "cellport_prob": np.array(prob, np.float32),
    }
    found = Tally(schema)
    found.add(MappedBlock(0, np.array(["c"] * len(calls), object), obs, {}))
    return found


def test_cells_are_counted_by_call_and_quality() -> None:
    found = tally(SCHEMA, [0, 1, 1, 2], [0, 0, 2, 1], [1, 0.5, 0.25, 0])
    assert (found.calls, found.by_call.tolist()) == (("B", "T", "unknown"), [1, 2, 1])
    assert found.quality == {"ok": 2, "empty": 1, "low_depth": 1, "low_gene_coverage": 0}
    assert (found.n_cells, found.mean_prob) == (4, 1.75 / 4)


def test_without_labels_only_quality_is_counted() -> None:
    found = tally(Schema((QUALITY,)), [0, 0], [0, 0], [1, 1])
    assert (found.n_cells, found.calls, found.quality["ok"]) == (2, (), 2)
    assert found.mean_prob == 0


def test_no_cells() -> None:
    found = Tally(SCHEMA)
    assert (found.n_cells, found.by_call.sum(), found.mean_prob) == (0, 0, 0)


def test_cells_unlike_the_atlas_are_counted_where_it_can_tell() -> None:
    found = Tally(Schema((QUALITY, Column("cellport_novel", "bool"))))
    for start, novel in ((0, [True, False, True]), (3, [True])):
        obs = {"cellport_qc": np.zeros(len(novel), np.int32), "cellport_novel": np.array(novel)}
        found.add(MappedBlock(start, np.array(["c"] * len(novel), object), obs, {}))
    assert found.novel == 3
    assert Tally(SCHEMA).novel is None
