"""The dead-letter desk: what lies there, and how it goes on. It keeps no state of its own (docs/decisions/0007)."""
