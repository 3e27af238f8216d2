"""A comparison as pictures and a page."""
