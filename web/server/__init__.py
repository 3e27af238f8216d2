"""The server, its HTTP API, and static sites."""
