"""What sums over mapped cells, one module a subject."""
