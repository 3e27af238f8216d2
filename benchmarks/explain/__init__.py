"""Whether the genes named carry the label, and known markers are among them."""
