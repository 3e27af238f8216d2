"""Columns beside the novelty of a cell."""
