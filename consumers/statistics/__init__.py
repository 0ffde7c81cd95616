"""Statistics: what goes through the cities, each submission counted once."""
