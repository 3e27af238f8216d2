"""Conditions compared with samples as replicates: composition and expression."""
