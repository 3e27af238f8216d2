"""What a set of genes can tell on an atlas, before a cell of it is mapped."""
