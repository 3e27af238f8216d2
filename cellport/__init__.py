"""Train a single-cell atlas once, ship it as one file, map new cells anywhere.

The names below are loaded on first use, so that ``import cellport`` costs next to nothing and
mapping never imports PyTorch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cellport.runtime.atlas.trajectory import LineageGene as LineageGene
    from cellport.runtime.cluster.run import map_dask as map_dask
    from cellport.runtime.compare.api import compare as compare
    from cellport.runtime.compare.found import Comparison as Comparison
    from cellport.runtime.convert.write import Converted as Converted
    from cellport.runtime.convert.write import ConvertOptions as ConvertOptions
    from cellport.runtime.convert.write import convert_model as convert_model
    from cellport.runtime.errors import AtlasError as AtlasError
    from cellport.runtime.errors import CellportError as CellportError
    from cellport.runtime.errors import InputError as InputError
    from cellport.runtime.errors import MissingDependencyError as MissingDependencyError
    from cellport.runtime.errors import OutputError as OutputError
    from cellport.runtime.errors import TrainingError as TrainingError
    from cellport.runtime.explain import Explanation as Explanation
    from cellport.runtime.explain import explain as explain
    from cellport.runtime.export.api import Exported as Exported
    from cellport.runtime.export.api import export as export
    from cellport.runtime.map_anndata import map_anndata as map_anndata
    from cellport.runtime.map_files import MapSummary as MapSummary
    from cellport.runtime.map_files import Summary as Summary
    from cellport.runtime.map_files import map_files as map_files
    from cellport.runtime.mapping.atlas import Atlas as Atlas
    from cellport.runtime.mapping.atlas import load_atlas as load_atlas
    from cellport.runtime.mapping.options import MapOptions as MapOptions
    from cellport.runtime.mapping.paga import add_paga as add_paga
    from cellport.runtime.mapping.pipeline import Stream as Stream
    from cellport.runtime.mapping.result import Mapping as Mapping
    from cellport.runtime.outlook import PanelOutlook as PanelOutlook
    from cellport.runtime.outlook import panel_outlook as panel_outlook
    from cellport.runtime.rank import AtlasFit as AtlasFit
    from cellport.runtime.rank import rank_atlases as rank_atlases
    from cellport.runtime.report.write import write_report as write_report
    from cellport.runtime.version import __version__ as __version__
    from cellport.train.api import train_atlas as train_atlas
    from cellport.train.attach.api import ReferenceOptions as ReferenceOptions
    from cellport.train.attach.api import convert_with_reference as convert_with_reference
    from cellport.train.config import AtlasConfig as AtlasConfig
    from cellport.train.config import FitConfig as FitConfig
    from cellport.train.extend.api import Extended as Extended
    from cellport.train.extend.api import extend as extend

_HOME = {
    "Atlas": "runtime.mapping.atlas",
    "AtlasFit": "runtime.rank",
    "AtlasConfig": "train.config",
    "AtlasError": "runtime.errors",
    "CellportError": "runtime.errors",
    "Comparison": "runtime.compare.found",
    "ConvertOptions": "runtime.convert.write",
    "Converted": "runtime.convert.write",
    "Explanation": "runtime.explain",
    "Exported": "runtime.export.api",
    "Extended": "train.extend.api",
    "FitConfig": "train.config",
    "InputError": "runtime.errors",
    "LineageGene": "runtime.atlas.trajectory",
    "MapOptions": "runtime.mapping.options",
    "MapSummary": "runtime.map_files",
    "Mapping": "runtime.mapping.result",
    "MissingDependencyError": "runtime.errors",
    "OutputError": "runtime.errors",
    "PanelOutlook": "runtime.outlook",
    "ReferenceOptions": "train.attach.api",
    "Stream": "runtime.mapping.pipeline",
    "Summary": "runtime.map_files",
    "TrainingError": "runtime.errors",
    "__version__": "runtime.version",
    "add_paga": "runtime.mapping.paga",
    "compare": "runtime.compare.api",
    "convert_model": "runtime.convert.write",
    "convert_with_reference": "train.attach.api",
    "explain": "runtime.explain",
    "export": "runtime.export.api",
    "extend": "train.extend.api",
    "load_atlas": "runtime.mapping.atlas",
    "map_anndata": "runtime.map_anndata",
    "map_dask": "runtime.cluster.run",
    "map_files": "runtime.map_files",
    "panel_outlook": "runtime.outlook",
    "rank_atlases": "runtime.rank",
    "train_atlas": "train.api",
    "write_report": "runtime.report.write",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'cellport' has no attribute {name!r}")
    if name in ("train_atlas", "convert_with_reference"):
        from cellport.runtime.base.extras import require

        require("train", "Training")
    return getattr(import_module(f"cellport.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
