"""The linear features that the encoder reads."""
