"""Measures how the origin of training data changes a language model, one cell at a time."""
