"""Collapse: fit to held-out human text, and variety of the model's own text."""
