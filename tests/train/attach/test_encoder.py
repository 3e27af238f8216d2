"""Every kind of converted model in PyTorch answers as the graph does that was made of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from cellport.runtime.atlas.session import open_session
from cellport.runtime.convert.write import ConvertOptions, canary_cells, prepare_conversion
from cellport.train.attach.encoder import (
    AttachedEncoder,
    AttachedTail,
    ForeignEncoder,
    attached_answers,
)

FOREIGN = Path(__file__).resolve().parents[2] / "data" / "foreign"
# of which one was trained on values that nobody can make again
MODELS = sorted({*FOREIGN.glob("[cs]*[!z]")} - {FOREIGN / "scpoli_mse"})


def nothing(*_: torch.Tensor) -> torch.Tensor:
    """What novelty, the map and clusters would say, which no model is asked for here."""
    return torch.zeros(1)


@pytest.mark.parametrize("place", MODELS, ids=[path.name for path in MODELS])
def test_all_answers_are_those_of_the_graph(place: Path) -> None:
    file = place / "model.pkl"
    made = prepare_conversion(file if file.is_file() else place, ConvertOptions())
    network = made.network
    counts, library = canary_cells(network)
    rng = np.random.default_rng(0)
    gaps = counts.copy()
    gaps[1::2, network.panel.representative % 5 == 0] = np.nan
    components = rng.normal(size=(counts.shape[1], 3)).astype(np.float32)
    inputs = {"counts": gaps}
    if network.input.library == "query":
        inputs["library"] = library[:, np.newaxis]
    session = open_session(made.members["encoder.onnx"], "encoder.onnx", device="cpu")
    names = [one.name for one in session.get_outputs()]
    expected = dict(zip(names, session.run(names, inputs), strict=True))

    foreign = ForeignEncoder(network, np.ones(counts.shape[1], bool), components)
    tail = AttachedTail(foreign.tail, None, nothing, nothing, lambda _: (torch.zeros(1),))
    encoder = AttachedEncoder(network, components, tail).eval()
    with torch.inference_mode():
        found = encoder(*(torch.from_numpy(one) for one in inputs.values()))
    answers = dict(zip(attached_answers(network, False), found, strict=True))
    assert set(expected) <= set(answers)
    for name, values in expected.items():
        scale = max(1.0, np.abs(values).max())
        np.testing.assert_allclose(answers[name].numpy(), values, rtol=0, atol=2e-5 * scale)
