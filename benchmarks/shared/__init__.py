"""What several questions need: data, splits, timing, results, tables."""
