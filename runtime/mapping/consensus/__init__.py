"""What several atlases say of the same cells, and what they say together."""
