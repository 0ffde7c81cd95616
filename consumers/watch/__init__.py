"""The watch: what waits for each group and since when (`lag`); and the process that keeps heartbeats and operations."""
