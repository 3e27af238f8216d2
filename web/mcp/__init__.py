"""What an agent may ask of cellport, by the Model Context Protocol."""
