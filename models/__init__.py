"""Torch modules and likelihoods: no I/O, no training loop."""
