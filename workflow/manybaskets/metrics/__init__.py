"""Metrics as pure functions of texts, arrays or rows, independent of models and studies."""
