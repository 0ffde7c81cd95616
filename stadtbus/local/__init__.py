"""The whole bus on one machine: for the demo, tests and benchmarks."""
