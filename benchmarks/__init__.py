"""Benchmarks: each measures against a stated baseline in the same run, because machines differ and are noisy."""
