"""Datasets, file formats, prompts, mixes, loops and request sets; imports no model library."""
