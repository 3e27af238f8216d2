"""Where results go: one small writer a format behind one safe way of writing files."""

from __future__ import annotations

from cellport.runtime.writers.output import FORMATS, ResultWriter, check_output, open_writer

__all__ = ["FORMATS", "ResultWriter", "check_output", "open_writer"]
