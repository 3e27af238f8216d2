"""Many cells: what limits mapping, and mapping on a cluster."""
