"""Mappings with options that the page has to do as Python does them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from cellport.runtime.columns import AGREEMENT, JOINT, JOINT_PROB, LABEL, NOVEL, OF_ATLAS, PROB
from cellport.runtime.errors import CellportError
from cellport.runtime.mapping.atlas import load_atlas
from cellport.runtime.mapping.options import MapOptions

PRETRAINED = Path(__file__).resolve().parent.parent / "models" / "pretrained"
# as the page calls them
_OPTIONS = {
    "rescale_genes": "rescaleGenes",
    "minimum_genes": "minimumGenes",
    "orthologs": "orthologs",
}


def shipped(name: str) -> Path:
    return PRETRAINED / f"{name}.cellport"


def case(folder: Path, file: str, *atlases: str | Path, **options: Any) -> dict[str, Any]:
    """Map a file of a folder onto an atlas, and others beside it; ones that come along by name."""
    first, *also = (one if isinstance(one, Path) else shipped(one) for one in atlases)
    told: dict[str, Any] = {"error": None}
    try:
        how = MapOptions(also=also, threads=1)
        found = load_atlas(first).map(folder / file, how, **options)
    except CellportError as refused:
        told["error"] = str(refused).replace(f"{folder}/", "")
    else:
        facts = found.uns["cellport"]
        names = [LABEL, PROB, NOVEL]
        for one in facts.get("also", ()):
            names += [OF_ATLAS.format(column=own, atlas=one["name"]) for own in names[:3]]
        if also:
            names += [JOINT, JOINT_PROB, AGREEMENT]
        told |= {
            # the page knows no folder
            "notes": [note.replace(f"{folder}/", "") for note in facts["notes"]],
            "organism": facts["genes"]["organism"],
            "columns": {name: np.asarray(found[name]).tolist() for name in names},
            "also": facts.get("also", []),
            "alike": facts.get("labels_alike", {}),
        }
    named = {_OPTIONS[name]: value for name, value in options.items()}
    return told | {"file": file, "options": named, "atlases": [Path(one).stem for one in atlases]}
