"""The cells of the atlases that come with the package, under the names that these give to types."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from importlib.resources import as_file, files

import anndata
import numpy as np
import scipy.sparse as sp

from benchmarks.shared.data import PANCREAS, PBMC, Dataset
from cellport.runtime.genes.match import match_genes
from cellport.runtime.genes.panel import Panel

PBMC3K = Dataset("pbmc3k_10x")
HUMAN_PANCREAS = Dataset("human_pancreas_3donors")
LUNG_WHOLE = Dataset("human_lung_hlca")

# types of human tissues: the group that a cell falls back to, and the term of the Cell Ontology;
# none where a label is of several terms, which the shipped table of names resolves
TYPES = {
    "CD4 T": ("T", "CL:0000624"),
    "CD8 T": ("T", "CL:0000625"),
    "NK": ("NK", "CL:0000623"),
    "B": ("B", "CL:0000236"),
    "plasma": ("plasma", "CL:0000786"),
    "CD14+ monocyte": ("monocyte", "CL:0001054"),
    "FCGR3A+ monocyte": ("monocyte", "CL:0000875"),
    "macrophage": ("macrophage", "CL:0000235"),
    "dendritic": ("dendritic", "CL:0000451"),
    "mast": ("basophil/mast", "CL:0000097"),
    "basophil": ("basophil/mast", "CL:0000767"),
    "neutrophil": ("neutrophil", "CL:0000775"),
    "megakaryocyte/platelet": ("megakaryocyte/platelet", ""),
    "capillary endothelial": ("endothelial", "CL:0002144"),
    "arterial endothelial": ("endothelial", "CL:1000413"),
    "venous endothelial": ("endothelial", "CL:0002543"),
    "lymphatic endothelial": ("lymphatic endothelial", "CL:0002138"),
    "fibroblast": ("fibroblast", "CL:0000057"),
    "pericyte": ("pericyte", "CL:0000669"),
    "smooth muscle": ("smooth muscle", "CL:0000192"),
    "stellate": ("stellate", "CL:0002410"),
    "AT1": ("alveolar", "CL:0002062"),
    "AT2": ("alveolar", "CL:0002063"),
    "ciliated": ("airway", "CL:0000064"),
    "basal": ("airway", "CL:0000646"),
    "bronchial epithelial": ("airway", "CL:0002328"),
    "goblet/mucous": ("airway", ""),
    "alpha": ("endocrine", "CL:0000171"),
    "beta": ("endocrine", "CL:0000169"),
    "delta": ("endocrine", "CL:0000173"),
    "gamma": ("endocrine", "CL:0002275"),
    "acinar": ("exocrine", "CL:0002064"),
    "ductal": ("exocrine", "CL:0002079"),
}
# what the groups are, where a cell's counts do not even tell its group
LINEAGES = {
    "lymphoid": ("T", "NK", "B", "plasma"),
    "myeloid": ("monocyte", "macrophage", "dendritic", "basophil/mast", "neutrophil"),
    "vessel": ("endothelial", "lymphatic endothelial"),
    "stromal": ("fibroblast", "pericyte", "smooth muscle", "stellate"),
    "lung epithelial": ("alveolar", "airway"),
    "pancreas epithelial": ("endocrine", "exocrine"),
}
LINEAGE = {group: lineage for lineage, groups in LINEAGES.items() for group in groups}
# published names to those above, or to a group of them
LUNG_NAMES = {
    "CD4-positive, alpha-beta memory T cell": "CD4 T",
    "naive thymus-derived CD4-positive, alpha-beta T cell": "CD4 T",
    "naive thymus-derived CD8-positive, alpha-beta T cell": "CD8 T",
    "effector memory CD8-positive, alpha-beta T cell": "CD8 T",
    "mature NK T cell": "T",
    "natural killer cell": "NK",
    "B cell": "B",
    "plasma cell": "plasma",
    "classical monocyte": "CD14+ monocyte",
    "intermediate monocyte": "monocyte",
    "non-classical monocyte": "FCGR3A+ monocyte",
    "macrophage": "macrophage",
    "dendritic cell, human": "dendritic",
    "conventional dendritic cell": "dendritic",
    "plasmacytoid dendritic cell": "dendritic",
    "CD11c-negative plasmacytoid dendritic cell": "dendritic",
    "mast cell": "mast",
    "basophil": "basophil",
    "neutrophil": "neutrophil",
    "capillary endothelial cell": "capillary endothelial",
    "lung microvascular endothelial cell": "capillary endothelial",
    "endothelial cell of artery": "arterial endothelial",
    "vein endothelial cell": "venous endothelial",
    "endothelial cell of lymphatic vessel": "lymphatic endothelial",
    "fibroblast of lung": "fibroblast",
    "adventitial cell": "fibroblast",
    "fibroblast": "fibroblast",
    "pericyte cell": "pericyte",
    "bronchial smooth muscle cell": "smooth muscle",
    "vascular associated smooth muscle cell": "smooth muscle",
    "type I pneumocyte": "AT1",
    "type II pneumocyte": "AT2",
    "lung ciliated cell": "ciliated",
    "basal cell": "basal",
    "bronchial epithelial cell": "bronchial epithelial",
    "respiratory goblet cell": "goblet/mucous",
    "mucus secreting cell": "goblet/mucous",
}
BLOOD_NAMES = {
    "CD14+ Monocyte": "CD14+ monocyte",
    "FCGR3A+ Monocyte": "FCGR3A+ monocyte",
    "Dendritic": "dendritic",
    "Megakaryocyte/Platelet": "megakaryocyte/platelet",
}
PANCREAS_NAMES = {
    "activated_stellate": "stellate",
    "quiescent_stellate": "stellate",
    "t_cell": "T",
}


def lung() -> anndata.AnnData:
    """Return the demonstration's cells; a batch is a technology of a donor."""
    with as_file(files("cellport") / "demo_data" / "lung_sample.h5ad") as path:
        cells = anndata.read_h5ad(path)
    cells.obs["sample"] = cells.obs["technology"].astype(str) + " " + cells.obs["donor"].astype(str)
    return named(cells, LUNG_NAMES)


def blood() -> anndata.AnnData:
    """Return blood cells of three studies."""
    cells = PBMC.read()
    cells.obs["sample"] = cells.obs["batch"]
    return named(cells, BLOOD_NAMES)


def pancreas() -> anndata.AnnData:
    """Return adult pancreas of three donors."""
    cells = HUMAN_PANCREAS.read()
    cells.obs["sample"] = cells.obs["donor"]
    return named(cells, PANCREAS_NAMES)


def mouse_pancreas() -> anndata.AnnData:
    """Return the embryonic pancreas, in which endocrine cells come to be."""
    return PANCREAS.read()


def human() -> list[anndata.AnnData]:
    """Return lung, blood of one study that kept all genes, and pancreas, under the same names."""
    whole, islets = with_silent_genes(LUNG_WHOLE.read(), markers(ISLETS)), pancreas()
    whole.obs["sample"] = whole.obs["technology"].astype(str) + " " + whole.obs["donor"].astype(str)
    both = whole.var_names[whole.var_names.isin(islets.var_names)]
    drops = with_silent_genes(PBMC3K.read(), both)
    drops.obs["sample"] = drops.obs["batch"]
    return [named(whole, LUNG_NAMES), named(drops, BLOOD_NAMES), islets]


def with_silent_genes(cells: anndata.AnnData, names: Sequence[str]) -> anndata.AnnData:
    """Add genes that no cell of a file expresses, which its authors left out for that.

    Those of `names` that it has by no other name either. The receptors of B and T cells stay out:
    the annotation that these counts were made with had no genes for them.
    """
    has = {"index": cells.var_names.to_numpy(object)}
    panel = Panel(tuple(names), ("",) * len(names))
    match = match_genes(has, panel, organism="human", source="the cells")
    silent = [
        name
        for name, measured in zip(names, match.measured.tolist(), strict=True)
        if not measured and not re.match(r"IG[HKL][VDJCGAME]|TR[ABDG][VDJC]", name)
    ]
    empty = anndata.AnnData(sp.csr_matrix((cells.n_obs, len(silent)), dtype=np.float32))
    empty.obs_names, empty.var_names = cells.obs_names, silent
    return anndata.concat([cells, empty], axis=1, merge="first")


def named(cells: anndata.AnnData, names: dict[str, str]) -> anndata.AnnData:
    """Add type, group, lineage and term to ``obs``; names that are not in `names` stay."""
    types = cells.obs["cell_type"].astype(str).map(lambda name: names.get(name, name))
    cells.obs["type"] = types
    # of a cell that is named by its group alone, the group is all that is known
    cells.obs["group"] = [TYPES[name][0] if name in TYPES else name for name in types]
    cells.obs["lineage"] = [LINEAGE.get(group, group) for group in cells.obs["group"]]
    cells.obs["term"] = [TYPES[name][1] if name in TYPES else "" for name in types]
    return cells


# genes that textbooks tell the types by; the panels hold them whatever their variance
MARKERS = {
    "T": ("CD3D", "CD3E", "CD3G", "CD2", "TRAC", "IL7R"),
    "CD4 T": ("CD4", "CD40LG", "CCR7", "TCF7", "LEF1"),
    "CD8 T": ("CD8A", "CD8B", "GZMK", "CCL5", "GZMH"),
    "NK": ("GNLY", "NKG7", "KLRD1", "KLRF1", "PRF1", "GZMB", "NCAM1"),
    "B": ("MS4A1", "CD79A", "CD79B", "CD19", "BANK1", "TCL1A"),
    "plasma": ("JCHAIN", "MZB1", "IGHG1", "SDC1", "XBP1"),
    "CD14+ monocyte": ("CD14", "LYZ", "S100A8", "S100A9", "FCN1", "VCAN"),
    "FCGR3A+ monocyte": ("FCGR3A", "MS4A7", "LST1", "CDKN1C", "LILRB2"),
    "macrophage": ("CD68", "CD163", "MARCO", "C1QA", "C1QB", "APOC1", "FABP4", "MRC1"),
    "dendritic": ("FCER1A", "CLEC10A", "CD1C", "HLA-DQA1", "CLEC9A", "LILRA4"),
    "basophil/mast": ("TPSAB1", "TPSB2", "CPA3", "KIT", "MS4A2", "HDC"),
    "neutrophil": ("CSF3R", "FCGR3B", "CXCR2", "S100A12"),
    "megakaryocyte/platelet": ("PPBP", "PF4", "GNG11", "ITGA2B", "GP9"),
    "endothelial": ("PECAM1", "CLDN5", "VWF", "CDH5", "CA4", "GJA5", "ACKR1", "EDNRB"),
    "lymphatic endothelial": ("CCL21", "PROX1", "LYVE1", "TFF3"),
    "fibroblast": ("DCN", "LUM", "COL1A1", "COL1A2", "PDGFRA"),
    "pericyte": ("PDGFRB", "CSPG4", "COX4I2", "HIGD1B"),
    "smooth muscle": ("ACTA2", "TAGLN", "MYH11", "DES"),
    "stellate": ("RGS5", "TIMP1", "COL3A1", "FABP4"),
    "alveolar": ("AGER", "CAV1", "SFTPC", "SFTPA1", "SFTPB", "ABCA3"),
    "ciliated": ("FOXJ1", "TPPP3", "CAPS", "PIFO"),
    "basal": ("KRT5", "KRT15", "TP63", "KRT17"),
    "secretory": ("SCGB1A1", "SCGB3A1", "MUC5B", "MUC5AC", "BPIFB1"),
    "alpha": ("GCG", "TTR", "IRX2", "ARX"),
    "beta": ("INS", "IAPP", "MAFA", "NKX6-1", "PDX1"),
    "delta": ("SST", "HHEX", "LEPR"),
    "gamma": ("PPY", "AQP3"),
    "acinar": ("PRSS1", "CPA1", "CTRB1", "REG1A", "CELA3A"),
    "ductal": ("KRT19", "CFTR", "SPP1", "SLC4A4"),
}
BLOOD_MARKERS = (
    "T", "CD4 T", "CD8 T", "NK", "B", "CD14+ monocyte", "FCGR3A+ monocyte", "dendritic",
    "megakaryocyte/platelet",
)  # fmt: skip
PANCREAS_MARKERS = (
    "T", "macrophage", "basophil/mast", "endothelial", "stellate", "alpha", "beta", "delta",
    "gamma", "acinar", "ductal",
)  # fmt: skip
# no cell of another tissue expresses their markers
ISLETS = ("alpha", "beta", "delta", "gamma", "acinar")
MOUSE_MARKERS = (
    "Ins1", "Ins2", "Gcg", "Sst", "Ghrl", "Ppy", "Neurog3", "Sox9", "Fev", "Chga", "Iapp", "Arx",
    "Hhex", "Nkx6-1", "Pdx1", "Neurod1", "Pax4", "Spp1",
)  # fmt: skip


def markers(types: Iterable[str] = MARKERS) -> tuple[str, ...]:
    """Name the markers of some entries of `MARKERS`; not every reference has all of them."""
    return tuple(dict.fromkeys(gene for one in types for gene in MARKERS[one]))
