"""Scripts behind every figure: a package a question, run as ``python -m benchmarks.NAME``."""
