"""What the thresholds of an atlas mean, in words for its card, its report and the terminal."""

from __future__ import annotations

MEANING = {
    "call_prob": "probability from which a type or group is called",
    "set_level": "share of cells whose label set is to hold their true label",
    "low_depth": "counts below which a cell is flagged low_depth",
    "low_gene_coverage": "share of the atlas's genes below which cells are flagged",
    "novelty_p": "novelty p-value below which a cell is flagged as novel",
}
