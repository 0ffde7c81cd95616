"""One module per protocol: an adapter of a city is a class of here with the names that its back office uses."""
