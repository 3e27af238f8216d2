from __future__ import annotations

import torch

from cellport.models.layout import LayoutNetwork


def _network(spread: float = 2.0) -> LayoutNetwork:
    torch.manual_seed(0)
    plane = torch.zeros(4, 2)
    plane[1, 0] = plane[3, 1] = 1.0
    low, high = torch.full((4,), -10.0), torch.full((4,), 10.0)
    return LayoutNetwork(torch.ones(4), torch.tensor(spread), low, high, plane).eval()


def test_map_is_the_plane_plus_its_bend() -> None:
    network = _network()
    latent = torch.randn(6, 4)
    centred = (latent - 1) / 2
    bend = network(latent) - centred[:, [1, 3]]
    torch.testing.assert_close(bend, 5.0 * network.bend(centred))


def test_cell_far_outside_the_reference_lands_on_its_border() -> None:
    network = _network()
    border = network(torch.tensor([[10.0, -10.0, 10.0, 0.0]]))
    far = network(torch.tensor([[1e6, -1e9, 11.0, 0.0]]))
    torch.testing.assert_close(far, border)


def test_place_of_a_cell_does_not_depend_on_the_others() -> None:
    network, latent = _network(), torch.randn(9, 4)
    alone = torch.cat([network(row.unsqueeze(0)) for row in latent])
    torch.testing.assert_close(network(latent), alone)


def test_everything_travels_in_the_state() -> None:
    network = _network()
    other = _network(spread=1.0)
    other.load_state_dict(network.state_dict())
    latent = torch.randn(5, 4)
    torch.testing.assert_close(other(latent), network(latent))
