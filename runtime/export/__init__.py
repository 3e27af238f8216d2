"""Mapped cells as files of the tools that people use next."""
