"""The report of a mapping: one HTML page for people who do not code."""
