"""Comparisons of dabench with straightforward code and with other packages: `python -m benchmarks`."""
