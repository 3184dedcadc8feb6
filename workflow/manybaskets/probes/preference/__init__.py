"""Preference: whether a model, as a judge, favours its own text."""
