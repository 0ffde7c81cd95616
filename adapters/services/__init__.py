"""One mapping per service, on which those of the cities are based."""
