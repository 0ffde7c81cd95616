"""Tools for who writes adapters: a new one, trying, comparing, checking."""
