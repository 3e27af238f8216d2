"""CellTypist's models: one linear classifier a label, on scaled log counts per 10,000."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.convert.models.fields import bad_field, numbers, plain, texts
from cellport.runtime.convert.models.pickles.held import Stub
from cellport.runtime.decisions import say
from cellport.runtime.errors import InputError

_CLASSIFIERS = ("LogisticRegression", "SGDClassifier")
Numbers = NDArray[np.float64 | np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class CellTypistModel:
    """What a CellTypist model computes with; see `forward.celltypist_answers`."""

    genes: tuple[str, ...]  # symbols, some perhaps twice
    labels: tuple[str, ...]
    coef: Numbers  # [labels, genes]; of two labels the first's is the second's negated
    intercept: Numbers  # [labels]
    mean: Numbers | None  # [genes]; None where values are not centred
    scale: Numbers  # [genes], standard deviations
    classifier: str  # LogisticRegression or SGDClassifier
    scikit_learn: str  # version that saved it, or ""
    description: dict[str, Any]  # date, details, url, source, version, number_celltypes


def is_celltypist(found: Any) -> bool:
    """Whether what a pickle holds is a model of CellTypist."""
    whole = isinstance(found, Stub) and found.name == "celltypist.models.Model"
    return whole or (isinstance(found, dict) and {"Model", "Scaler_"} <= found.keys())


def celltypist_model(found: Any, title: str) -> CellTypistModel:
    """Take the model from what its pickle holds.

    Raises
    ------
    InputError
        Something lacks, is not finite or does not fit together.
    """
    classifier, scaler, description = _parts(found, title)
    genes = texts(classifier.state.get("features"), title, "Model.features")
    labels = texts(classifier.state.get("classes_"), title, "Model.classes_")
    if not genes or len(labels) < 2 or len(set(labels)) < len(labels):
        raise bad_field(title, "Model.classes_", "two or more different labels")
    n, rows = len(genes), 1 if len(labels) == 2 else len(labels)
    coef = numbers(classifier.state.get("coef_"), (rows, n), title, "Model.coef_")
    intercept = classifier.state.get("intercept_")
    if isinstance(intercept, (int, float)):
        intercept = [float(intercept)] * rows
    intercept = numbers(intercept, (rows,), title, "Model.intercept_")
    scale = numbers(scaler.state.get("scale_"), (n,), title, "Scaler_.scale_")
    if not (scale > 0).all():
        raise bad_field(title, "Scaler_.scale_", "numbers above 0")
    mean = None
    if scaler.state.get("with_mean", True):
        mean = numbers(scaler.state.get("mean_"), (n,), title, "Scaler_.mean_")
    if rows == 1:
        coef, intercept = np.concatenate([-coef, coef]), np.concatenate([-intercept, intercept])
    return CellTypistModel(
        genes=genes,
        labels=labels,
        coef=coef,
        intercept=intercept,
        mean=mean,
        scale=scale,
        classifier=classifier.name.rpartition(".")[2],
        scikit_learn=str(plain(classifier.state.get("_sklearn_version")) or ""),
        description=plain(description) or {},
    )


def _parts(found: Any, title: str) -> tuple[Any, Any, Any]:
    if isinstance(found, Stub):
        state = found.state if isinstance(found.state, dict) else {}
        parts = state.get("classifier"), state.get("scaler"), state.get("description")
    else:
        parts = found.get("Model"), found.get("Scaler_"), found.get("description")
    classifier, scaler, description = parts
    for part, named in ((classifier, _CLASSIFIERS), (scaler, ("StandardScaler",))):
        kind = _kind(part)
        if not isinstance(part, Stub) or kind.rpartition(".")[2] not in named:
            raise InputError(say("convert.other_classifier", title=title, kind=kind))
        if not isinstance(part.state, dict):
            raise bad_field(title, kind, "an object with fields")
    return classifier, scaler, description


def _kind(part: Any) -> str:
    if not isinstance(part, Stub):
        return type(part).__name__
    # protocols 0 and 1 say the class as the first argument
    if part.name.endswith("._reconstructor") and part.args:
        part.name = getattr(part.args[0], "dotted", part.name)
    return part.name
