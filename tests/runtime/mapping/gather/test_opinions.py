from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from cellport.runtime.mapping.gather.opinions import Opinions


def test_common_disagreements_come_first(mapped: Any) -> None:
    cells = mapped(40)
    found = Opinions(cells.schema)
    (block, _), *_ = cells.blocks([])
    joint, other, same = (np.zeros(40, np.int32) for _ in range(3))
    joint[:30], other[:25], other[25:30] = 1, 2, 1
    obs = block.obs | {
        "cellport_joint": joint,
        "cellport_label_blood": other,
        "cellport_label_lung": same,
        "cellport_agreement": np.repeat(np.float32([1, 1 / 3]), 20),
    }
    found.add(replace(block, obs=obs))
    assert found.agreeing.tolist() == [0, 20, 0, 20]
    labels = found.joint
    told = found.disagreements({})
    assert [(one.atlas, one.joint, one.label, one.cells) for one in told] == [
        ("lung", labels[1], labels[0], 30),
        ("blood", labels[1], labels[2], 25),
    ]
    # a part of the other is none
    told = found.disagreements({"lung": {(labels[1], labels[0])}})
    assert [one.atlas for one in told] == ["blood"]
