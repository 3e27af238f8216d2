"""Comparison of conditions: false positives, power, and its peers in R."""
