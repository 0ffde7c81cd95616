"""What became of submissions: read from the events of the cities, told to portals and to operators."""
