"""What the origin of training data does to a language model, measured cell by cell."""
