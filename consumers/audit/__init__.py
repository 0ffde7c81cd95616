"""The audit: what was recorded of each submission."""
