"""The collapse probe: fit to held-out human text, and diversity of the model's own text."""
