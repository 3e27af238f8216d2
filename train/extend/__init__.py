"""New types added to a finished atlas, on the encoder that it has."""
