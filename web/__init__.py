"""The page that maps cells in a browser, and the small server that serves it."""
