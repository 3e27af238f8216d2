"""The version of cellport, and of the atlas format it writes."""

__version__ = "0.1.0"
FORMAT_VERSION = 1
