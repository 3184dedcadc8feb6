"""Tables, contrasts, trends, power, and comparison with published numbers."""
