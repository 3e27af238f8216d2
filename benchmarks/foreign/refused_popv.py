"""Classifiers that popV keeps beside its CellTypist, SCVI and SCANVI models; none is converted.

Each is written as popV 0.6 writes it (``popv/algorithms``), where its package is installed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.foreign.cells import GENES, Cells
from benchmarks.foreign.kept import Fixture

PLANS = {
    "refused_popv_forest": "scikit-learn joblib numpy",
    "refused_popv_svm": "scikit-learn joblib numpy",
    "refused_popv_xgboost": "xgboost numpy",
    "refused_popv_neighbors": "faiss-cpu numpy",
    "refused_popv_onclass": "numpy",
}


def make(name: str, folder: Path, every: dict[str, Cells]) -> None:
    """Train one on the reference and keep it."""
    cells = every["reference"].on(GENES)
    x = np.log1p(cells.counts.astype(np.float32))
    y = np.unique(cells.label, return_inverse=True)[1]
    how = {
        "refused_popv_forest": forest,
        "refused_popv_svm": svm,
        "refused_popv_xgboost": xgboost,
        "refused_popv_neighbors": neighbors,
        "refused_popv_onclass": onclass,
    }[name]
    try:
        fixture = Fixture(folder, "refused: popV", PLANS[name])
        how(folder, x, y)
    except ImportError as error:
        print(f"{name}: not in this environment ({error})")
        return
    fixture.write()


def forest(folder: Path, x: Any, y: Any) -> None:
    """Keep a random forest."""
    import joblib
    from sklearn.ensemble import RandomForestClassifier

    found = RandomForestClassifier(n_estimators=2, max_depth=2, random_state=0).fit(x, y)
    joblib.dump(found, (folder / "rf_classifier.joblib").open("wb"))


def svm(folder: Path, x: Any, y: Any) -> None:
    """Keep a calibrated support vector machine."""
    import joblib
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.svm import LinearSVC

    found = CalibratedClassifierCV(LinearSVC(random_state=0), cv=2).fit(x, y)
    joblib.dump(found, (folder / "svm_classifier.joblib").open("wb"))


def xgboost(folder: Path, x: Any, y: Any) -> None:
    """Keep boosted trees."""
    import xgboost as xgb

    settings = {"objective": "multi:softprob", "max_depth": 1, "num_class": int(y.max()) + 1}
    found = xgb.train(settings, xgb.DMatrix(x, y), num_boost_round=1)
    found.save_model(folder / "xgboost_classifier.model")


def neighbors(folder: Path, x: Any, y: Any) -> None:
    """Keep an index of latents of neighbours."""
    import faiss

    index = faiss.IndexFlatL2(4)
    index.add(np.ascontiguousarray(x[:20, :4]))
    faiss.write_index(index, str(folder / "faiss_index.index"))


def onclass(folder: Path, x: Any, y: Any) -> None:
    """Keep what OnClass writes beside its TensorFlow checkpoint (OnClassModel.Train)."""
    held: dict[str, Any] = {"train_feature_mean": x.mean(0), "genes": np.array(GENES)}
    held |= {"nhidden": np.array([4]), "nseen": int(y.max()) + 1}
    held |= {"co2i": {"CL:0000084": 0}, "i2co": {0: "CL:0000084"}}
    np.savez(folder / "OnClass.npz", **held)
