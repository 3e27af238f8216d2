"""Mapping speed: whole processes, the kernel, the neighbours, the page."""
