"""Whether the atlas that fits a query is ranked first."""
