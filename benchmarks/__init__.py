"""dabench against straightforward code and other packages: `python -m benchmarks`."""
