"""Atlas file and query to mapped cells. Never imports torch or onnx."""
