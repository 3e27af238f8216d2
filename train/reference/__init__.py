"""The reference: cells, genes, counts, and where they lie while a model is trained."""
