"""Fields of models as tools wrote them; what is something else is refused by its name."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cellport.runtime.convert.models.celltypist import celltypist_model
from cellport.runtime.convert.models.fields import numbers, texts
from cellport.runtime.convert.models.pickles.held import Stub
from cellport.runtime.convert.models.pickles.read import read_pickle
from cellport.runtime.convert.models.pickles.torch_zip import read_torch
from cellport.runtime.convert.models.recognise import read_model
from cellport.runtime.convert.models.scimilarity import scimilarity_model
from cellport.runtime.errors import InputError

FOREIGN = Path(__file__).resolve().parents[3] / "data" / "foreign"


@pytest.mark.parametrize(
    "value", [None, "1", ["a"], [[1], [1, 2]], [[1, 2]], [], [1, np.inf], [10**400], {}]
)
def test_what_is_no_list_of_numbers_is_named(value: Any) -> None:
    assert numbers([1, 2], (None,), "m.pkl", "coef_").tolist() == [1, 2]
    with pytest.raises(InputError, match=r"m\.pkl.*coef_ should be n finite numbers"):
        numbers(value, (None,), "m.pkl", "coef_")


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize(
    "names",
    [
        ["a", "b"],
        ("a", "b"),
        np.array(["a", "b"]),
        np.array(["a", "b"], object),
        np.array([b"a", b"b"]),
        pd.Index(np.array(["a", "b"], object), dtype=object),
    ],
)
def test_names_in_every_form(names: Any, protocol: int) -> None:
    held = read_pickle(memoryview(pickle.dumps(names, protocol)), "m.pkl")
    assert texts(held, "m.pkl", "features") == ("a", "b")


@pytest.mark.parametrize("value", [None, "ab", [["a"]], np.zeros((2, 2)), Stub("numpy.ndarray")])
def test_what_is_no_list_of_names_is_named(value: Any) -> None:
    if isinstance(value, Stub):  # objects that are no texts
        value.items = [Stub("pandas.Index")]
    with pytest.raises(InputError, match=r"m\.pkl.*features should be a list of names"):
        texts(value, "m.pkl", "features")


def celltypist(change: Any = None) -> Any:
    data = (FOREIGN / "celltypist_two" / "model.pkl").read_bytes()
    found = read_pickle(memoryview(data), "m.pkl")
    if change is not None:
        change(found)
    return found


def test_celltypist_in_its_other_forms() -> None:
    usual = celltypist_model(celltypist(), "m.pkl")

    def one_number(found: Any) -> None:
        found["Model"].state["intercept_"] = float(found["Model"].state["intercept_"][0])

    found = celltypist()
    own_class = Stub("celltypist.models.Model")
    own_class.state = {
        "classifier": found["Model"], "scaler": found["Scaler_"], "description": {"url": "u"},
    }  # fmt: skip
    for model in (celltypist(one_number), own_class):
        again = celltypist_model(model, "m.pkl")
        assert (again.genes, again.labels) == (usual.genes, usual.labels)
        np.testing.assert_array_equal(again.coef, usual.coef)
        np.testing.assert_allclose(again.intercept, usual.intercept)
    assert celltypist_model(own_class, "m.pkl").description == {"url": "u"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda found: found["Model"].state.update(classes_=["a", "a"]), "two or more different"),
        (lambda found: found["Model"].state.update(features=[]), "two or more different labels"),
        (lambda found: found.update(Model=None), "NoneType"),
        (lambda found: setattr(found["Model"], "state", None), "an object with fields"),
        (lambda found: found["Scaler_"].state.update(scale_=[0.0] * 60), "Scaler_.scale_"),
    ],
)
def test_celltypist_that_does_not_fit(change: Any, said: str) -> None:
    with pytest.raises(InputError, match=rf"m\.pkl.*{said}"):
        celltypist_model(celltypist(change), "m.pkl")


def test_a_class_that_an_old_protocol_names_by_its_maker() -> None:
    old = b"ccopy_reg\n_reconstructor\n(csklearn.linear_model._stochastic_gradient\nSGDClassifier\n"
    found = celltypist()
    made = read_pickle(memoryview(old + b"c__builtin__\nobject\nNtR."), "m.pkl")
    made.state = found["Model"].state
    found["Model"] = made
    assert celltypist_model(found, "m.pkl").classifier == "SGDClassifier"


def scimilarity(**changed: Any) -> Any:
    state = read_torch(FOREIGN / "scimilarity" / "encoder.ckpt")["state_dict"]
    for name, value in changed.items():
        key = name.replace("__", ".")
        state = {**state, key: value} if value is not None else state
        if value is None:
            del state[key]
    genes = [f"GENE{i}" for i in range(64)]
    return scimilarity_model(state, genes, [], "encoder.ckpt")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"network__1__3__weight": None}, "hidden layers with a PReLU each"),
        ({"network__1__3__weight": np.ones(3)}, r"network\.1\.3\.weight should be 1 or 16 numbers"),
        ({"network__1__4__weight": np.ones(1)}, r"network\.1\.4 should be absent"),
        (
            {f"network__1__4__{part}": np.ones(16) for part in ("weight", "bias", "running_var")},
            r"network\.1\.4 should be before the PReLU",
        ),
    ],
)
def test_scimilarity_whose_layers_are_others(changed: dict[str, Any], said: str) -> None:
    assert len(scimilarity().encoder) == 2
    with pytest.raises(InputError, match=said):
        scimilarity(**changed)


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ({"z_encoder.weight": 1}, "weights"),
        ({"weight": 1}, "no model"),
    ],
)
def test_torch_files_that_are_no_model(tmp_path: Path, held: Any, said: str) -> None:
    torch = pytest.importorskip("torch")
    path = tmp_path / "some.pt"
    torch.save(held, path)
    with pytest.raises(InputError, match=rf"some\.pt.*{said}"):
        read_model(path)


def test_objects_that_are_no_model(tmp_path: Path) -> None:
    path = tmp_path / "some.pkl"
    path.write_bytes(b"csklearn.linear_model._logistic\nLogisticRegression\n)R.")
    with pytest.raises(InputError, match=r"some\.pkl is a model of another kind"):
        read_model(path)


def test_names_of_genes_that_no_table_holds(tmp_path: Path) -> None:
    for file in (FOREIGN / "scpoli_default").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    assert read_model(tmp_path)
    for damage in (b"\xff\xfe\xff", b"a" * 20_000):
        (tmp_path / "var_names.csv").write_bytes(damage)
        with pytest.raises(InputError, match=r"var_names\.csv"):
            read_model(tmp_path)
