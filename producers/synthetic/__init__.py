"""Synthetic portals and applicants for the demo, tests and benchmarks."""
