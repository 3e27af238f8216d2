"""Where counts come from: one small reader a format behind one block interface."""
