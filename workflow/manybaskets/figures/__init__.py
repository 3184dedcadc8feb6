"""Figures: one style, and one module per family of figures."""
