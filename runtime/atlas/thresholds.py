"""What the thresholds of an atlas mean, in words for its card, its report and the terminal."""

from __future__ import annotations

from dataclasses import asdict

from cellport.runtime.atlas.manifest import Manifest
from cellport.runtime.decisions import text

_NAMES = ("call_prob", "set_level", "low_depth", "low_gene_coverage", "novelty_p")
MEANING = {name: text(f"thresholds.{name}") for name in _NAMES}


def thresholds_that_apply(manifest: Manifest) -> dict[str, float]:
    """Return those that decide something in an atlas, by name."""
    without: set[str] = set()
    if not manifest.has_reference:
        without |= {"novelty_p"}
    if not manifest.head.set_prob:
        without |= {"set_level", "call_prob"}
    return {name: n for name, n in asdict(manifest.thresholds).items() if name not in without}
