"""Sizes that the loops of the linear features agree on with those who lay out their arrays."""

from __future__ import annotations

# both measured on the whole kernel: benchmarks/kernels.md, "What made the difference"
TILE = 128
"""Cells that share one pass over a slice of the basis while it is in the L2 cache."""
LANES = 32
"""Floats that are summed at once: 4 registers of AVX2, 2 of AVX-512, 8 of NEON."""
