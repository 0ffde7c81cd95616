"""Back offices of München."""
