"""Where counts come from: one small reader a format behind one block interface."""

from cellport.runtime.sources.block import CountBlock
from cellport.runtime.sources.open import open_source
from cellport.runtime.sources.source import CountSource

__all__ = ["CountBlock", "CountSource", "open_source"]
