"""Compile the kernels of the mapping path ahead of time; see `cellport.kernels.warmup`."""

from __future__ import annotations

from cellport.kernels.warmup import is_compiled, warmup

__all__ = ["is_compiled", "warmup"]
