"""How the work of a method is counted."""

PASSES = 2
"""Evaluations that a Jacobian product is worth: the product, and what it needs computed anew."""
