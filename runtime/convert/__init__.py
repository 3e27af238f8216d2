"""Published models of other tools, read without running anything of theirs."""
