from __future__ import annotations

import json

import numpy as np

from cellport.runtime.columns import MappedBlock
from cellport.runtime.mapping.gather.tally import Tally


def block(calls: list[int], quality: list[int], prob: list[float]) -> MappedBlock:
    obs = {
        "cellport_call": np.array(calls, np.int32),
        "cellport_qc": np.array(quality, np.int32),
        "cellport_prob": np.array(prob, np.float32),
    }
    return MappedBlock(0, np.array(["c"] * len(calls), object), obs, {})


def test_tallies_of_parts_join_to_that_of_the_whole() -> None:
    names = ("B", "T", "unknown")
    first, second = block([0, 1, 1], [0, 0, 2], [1, 0.5, 0.25]), block([2], [1], [0])
    whole, one, other = Tally(), Tally(), Tally()
    for part in (first, second):
        whole.add(part, names)
    one.add(first, names)
    other.add(second, names)
    one.join(Tally.from_plain(json.loads(json.dumps(other.plain()))))
    assert one == whole
    assert whole.calls == {"B": 1, "T": 2, "unknown": 1}
    assert whole.quality == {"ok": 2, "low_depth": 1, "empty": 1}
    assert (whole.cells, whole.prob) == (4, 1.75)


def test_without_labels_only_quality_is_counted() -> None:
    tally = Tally()
    tally.add(block([0, 0], [0, 0], [1, 1]), ())
    assert (tally.cells, dict(tally.calls), dict(tally.quality)) == (2, {}, {"ok": 2})
