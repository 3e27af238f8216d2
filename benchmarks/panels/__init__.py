"""Small panels of genes as queries."""
