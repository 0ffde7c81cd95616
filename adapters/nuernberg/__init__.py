"""Back offices of Nürnberg."""
