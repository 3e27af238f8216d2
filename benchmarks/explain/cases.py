"""Atlases, cells that are mapped on them, and the genes that their types are known by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import anndata
import numpy as np
from numpy.typing import NDArray

from benchmarks.pretrain.cells import (
    BLOOD_NAMES,
    HUMAN_PANCREAS,
    LUNG_NAMES,
    LUNG_WHOLE,
    PBMC3K,
    named,
)
from benchmarks.shared.data import LUNG, Dataset, load_split, strings
from cellport.runtime.mapping.atlas import Atlas, load_atlas
from cellport.train.api import train_atlas

Markers = dict[str, tuple[str, ...]]
Unseen = Callable[[anndata.AnnData], NDArray[np.bool_]]

# genes that textbooks tell types by, of the panels that were made to hold such
BLOOD: Markers = {
    "B": ("MS4A1", "CD79A"),
    "CD14+ monocyte": ("LYZ", "S100A8", "CD14"),
    "CD4 T": ("IL7R", "CD40LG"),
    "CD8 T": ("CD8A", "CD8B"),
    "dendritic": ("FCER1A", "HLA-DQA1"),
    "FCGR3A+ monocyte": ("FCGR3A", "LST1"),
    "megakaryocyte/platelet": ("PPBP", "PF4"),
    "NK": ("GNLY", "NKG7"),
}
AIRWAYS: Markers = {
    "AT1": ("AGER",),
    "AT2": ("SFTPC", "SFTPA1"),
    "B": ("MS4A1", "CD79A"),
    "NK": ("GNLY", "NKG7"),
    "CD4 T": ("IL7R",),
    "CD8 T": ("CD8A",),
    "basal": ("KRT5", "KRT15"),
    "mast": ("TPSAB1", "CPA3"),
    "capillary endothelial": ("CLDN5",),
    "fibroblast": ("DCN", "LUM"),
    "goblet/mucous": ("MUC5B",),
    "lymphatic endothelial": ("CCL21",),
    "macrophage": ("APOC1", "FABP4"),
    "CD14+ monocyte": ("FCN1", "LYZ", "S100A8"),
    "pericyte": ("PDGFRB",),
    "smooth muscle": ("ACTA2", "TAGLN"),
}
# Seurat's guided clustering tutorial (satijalab.org/seurat/articles/pbmc3k_tutorial), its table of
# canonical markers; of CD4 T cells the one that both naive and memory ones have
SEURAT: Markers = {
    "B": ("MS4A1",),
    "CD14+ monocyte": ("CD14", "LYZ"),
    "CD4 T": ("IL7R",),
    "CD8 T": ("CD8A",),
    "dendritic": ("FCER1A", "CST3"),
    "FCGR3A+ monocyte": ("FCGR3A", "MS4A7"),
    "megakaryocyte/platelet": ("PPBP",),
    "NK": ("GNLY", "NKG7"),
}
# Baron et al. 2016, Cell Systems 3:346, the gene that each cluster was recognised by
BARON: Markers = {
    "acinar": ("CPA1",),
    "activated_stellate": ("PDGFRA",),
    "alpha": ("GCG",),
    "beta": ("INS",),
    "delta": ("SST",),
    "ductal": ("KRT19",),
    "endothelial": ("VWF",),
    "gamma": ("PPY",),
    "macrophage": ("SDS",),
    "mast": ("TPSAB1",),
    "quiescent_stellate": ("RGS5",),
    "t_cell": ("TRAC",),
}
# human_lung_cell_markers.json of Pegasus (github.com/lilab-bcb/pegasus, from Travaglini et al. 2020
# and Schupp et al. 2021), the first two of each type; immune cells as in blood
PEGASUS: Markers = {
    "AT1": ("AGER", "SPOCK2"),
    "AT2": ("SFTPA1", "SFTPA2"),
    "arterial endothelial": ("CXCL12", "GJA5"),
    "basal": ("KRT17", "S100A2"),
    "bronchial epithelial": ("SCGB3A2", "MGP"),
    "capillary endothelial": ("FCN3", "IL7R"),
    "ciliated": ("ERICH3", "ARMC3"),
    "fibroblast": ("COL1A1", "COL1A2"),
    "goblet/mucous": ("MUC5AC", "MUC5B"),
    "lymphatic endothelial": ("CCL21", "TFF3"),
    "pericyte": ("COX4I2", "HIGD1B"),
    "smooth muscle": ("MYH11", "ACTG2"),
    "venous endothelial": ("CPE", "C7"),
    **SEURAT,
}


@dataclass(frozen=True)
class Case:
    """Cells that are mapped on an atlas, and the markers of their types."""

    atlas: Atlas
    query: anndata.AnnData
    markers: Markers


@dataclass(frozen=True)
class Trained:
    """An atlas that is trained here, with the panel that training takes by itself."""

    dataset: Dataset
    names: dict[str, str]  # of its types here
    unseen: Unseen  # cells that it is asked about
    markers: Markers


def every_second(cells: anndata.AnnData) -> NDArray[np.bool_]:
    """Every second cell of each type: of one sample there is no other one to ask about."""
    label = strings(cells, "cell_type").astype(str)
    chosen = np.zeros(cells.n_obs, np.bool_)
    for one in np.unique(label):
        chosen[np.flatnonzero(label == one)[1::2]] = True
    return chosen


def of_donor(name: str) -> Unseen:
    """All cells of a donor."""
    return lambda cells: strings(cells, "donor") == name


TRAINED = {
    "blood, one sample": Trained(PBMC3K, BLOOD_NAMES, every_second, SEURAT),
    "lung, a donor": Trained(LUNG_WHOLE, LUNG_NAMES, of_donor("LCA_3"), PEGASUS),
    "pancreas, a donor": Trained(HUMAN_PANCREAS, {}, of_donor("human2"), BARON),
}


def shipped() -> dict[str, Case]:
    """Atlases that come with the package, whose panels were made to hold markers."""
    _, stimulated, _ = load_split("Kang stimulated")
    blood = load_atlas("blood")
    return {
        "PBMC 10x": Case(blood, Dataset("pbmc3k_10x").read(), BLOOD),
        "Kang stimulated": Case(blood, stimulated, BLOOD),
        "lung": Case(load_atlas("lung"), LUNG.read(), AIRWAYS),
    }


def trained(name: str, cache: Path) -> Case:
    """Train an atlas on some of a dataset, unless `cache` has it, to ask it about the others."""
    how, path = TRAINED[name], cache / f"{name.replace(', ', '_').replace(' ', '_')}.cellport"
    cells = named(how.dataset.read(), how.names)
    unseen = how.unseen(cells)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        seen = cells[~unseen].copy()
        train_atlas(seen, path, labels="type", batch=how.dataset.batch, device="cpu")
    return Case(load_atlas(path), cells[unseen].copy(), how.markers)
