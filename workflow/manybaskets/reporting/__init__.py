"""The report page, cell cards, methods text and model cards."""
