"""Which panel genes a query has, what they are worth, and how they are put on the atlas's scale."""
