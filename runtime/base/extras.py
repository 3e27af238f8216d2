"""Optional packages: ask for them in one sentence when they are missing."""

from __future__ import annotations

from importlib.util import find_spec

from cellport.runtime.errors import MissingDependencyError

_TRAINING = (
    "anndata",
    "lightning_fabric",
    "matplotlib",
    "onnx",
    "onnxscript",
    "sklearn",
    "skmisc",
    "torch",
)


def require_train() -> None:
    """Raise MissingDependencyError when a package that training needs is not installed."""
    missing = [name for name in _TRAINING if find_spec(name) is None]
    if missing:
        raise MissingDependencyError(
            f"Training needs {', '.join(missing)}: pip install 'cellport[train,cpu]'."
        )
