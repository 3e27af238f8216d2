"""A query to mapped cells."""
