"""Train a single-cell atlas once, ship it as one file, map new cells anywhere."""
