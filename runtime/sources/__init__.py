"""Where counts come from: one small reader a format behind one block interface."""

from cellport.runtime.sources.block import CountBlock, CountSource
from cellport.runtime.sources.open import open_source

__all__ = ["CountBlock", "CountSource", "open_source"]
