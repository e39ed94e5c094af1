"""What the README's figures come from. Each prints JSON: ``python -m benchmarks.extract``."""
