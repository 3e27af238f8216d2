"""Numba kernels on plain arrays: no I/O, no ONNX, no torch."""
