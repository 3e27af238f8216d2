"""Terms of an ontology of cell types, and which of them labels are."""
