from __future__ import annotations

from typing import Any

import pytest
import torch

from cellport.models.draws import CellDropout, Share, draw


@pytest.mark.parametrize("random", [torch.rand, torch.randn])
def test_a_share_gets_what_the_whole_minibatch_would_give_it(random: Any) -> None:
    torch.manual_seed(0)
    whole = draw(random, torch.empty(10, 3), None)
    for start, stop in ((0, 4), (4, 9), (9, 10)):
        torch.manual_seed(0)
        part = draw(random, torch.empty(stop - start, 3), Share(start, stop, 10))
        assert torch.equal(part, whole[start:stop])


def test_dropout_drops_its_share_in_training_alone() -> None:
    dropout = CellDropout(0.25)
    values = torch.ones(200, 100)
    torch.manual_seed(0)
    found = dropout(values)
    assert found.unique().tolist() == pytest.approx([0, 1 / 0.75])
    assert (found == 0).float().mean().item() == pytest.approx(0.25, abs=0.01)
    assert torch.equal(dropout.eval()(values), values)
    assert torch.equal(CellDropout(0.0)(values), values)
