"""Pickles and files of torch, read as data."""
