"""Cell types that the reference lacks."""
