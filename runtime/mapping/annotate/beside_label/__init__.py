"""What is said of a cell beside its best label, when asked for, one module a subject."""
