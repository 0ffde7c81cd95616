"""The gateway: the HTTP API of the portals."""
