"""Back offices of Augsburg."""
