"""The lag watch: what waits for each group, since when."""
