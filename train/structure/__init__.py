"""Clusters and trajectories of a reference."""
