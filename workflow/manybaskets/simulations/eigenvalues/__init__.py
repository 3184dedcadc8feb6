"""Transformers that learn eigenvalues from labels that other transformers wrote."""
