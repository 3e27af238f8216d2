"""Atlases by name and address."""
