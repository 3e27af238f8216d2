from __future__ import annotations

from typing import Any

import pytest
import torch

from cellport.models.draws import CellDropout, Share, draw, seed_draws


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


def test_a_graphics_card_is_seeded_like_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int] = []
    monkeypatch.setattr(torch.cuda, "manual_seed", seeds.append)
    seed_draws(7, torch.device("cpu"))
    on_processor = torch.rand(3)
    assert not seeds
    seed_draws(7, torch.device("cuda"))
    assert seeds == [7]
    assert torch.equal(torch.rand(3), on_processor)
