"""What the thresholds of an atlas mean, in words for its card, its report and the terminal."""

from __future__ import annotations

from dataclasses import asdict

from cellport.runtime.atlas.manifest import Manifest

MEANING = {
    "call_prob": "probability from which a type or group is called",
    "set_level": "share of cells whose label set is to hold their true label",
    "low_depth": "counts below which a cell is flagged low_depth",
    "low_gene_coverage": "share of the atlas's genes, or of what they tell of its labels, below "
    "which cells are flagged",
    "novelty_p": "novelty p-value below which a cell is flagged as novel",
}


def thresholds_that_apply(manifest: Manifest) -> dict[str, float]:
    """Return those that decide something in an atlas, by name."""
    without: set[str] = set()
    if not manifest.has_reference:
        without |= {"novelty_p"}
    if not manifest.head.set_prob:
        without |= {"set_level", "call_prob"}
    return {name: n for name, n in asdict(manifest.thresholds).items() if name not in without}
