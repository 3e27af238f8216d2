"""Which genes spoke for a label: from the network's weights back to the counts of a cell."""
