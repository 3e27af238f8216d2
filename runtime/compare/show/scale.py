"""Numbers to places on a canvas."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """Numbers to places; those beyond the ends stand at the ends."""

    low: float
    high: float
    left: float
    right: float

    def __call__(self, value: float) -> float:
        """Return the place of a number."""
        inside = min(max(value, self.low), self.high)
        share = (inside - self.low) / max(self.high - self.low, 1e-12)
        return self.left + share * (self.right - self.left)
