"""Label transfer on real splits, clean and under stress."""
