"""Generators: families, one training loop, pictures."""
