"""Training from disk: memory, speed, order, interruptions."""
