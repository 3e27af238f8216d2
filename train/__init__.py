"""Counts to fitted model to ONNX to atlas file. Needs the ``train`` extra."""
