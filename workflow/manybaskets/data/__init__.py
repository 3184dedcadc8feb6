"""Datasets, file formats, prompts, mixes, loops and request sets. No models, no Snakemake."""
