"""The commands, one module per group, with the views that show their results."""
