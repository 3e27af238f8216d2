"""What adds columns to mapped cells, one module a subject."""
