"""The network of an atlas in numpy: read from its graph, run, and followed back."""
