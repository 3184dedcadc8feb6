"""Prompts, responses and judgements in files that people and other programs wrote."""
