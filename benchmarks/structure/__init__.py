"""Trajectories, clusters, batch correction and the 2-D map."""
