"""Models of other tools, read as data."""
