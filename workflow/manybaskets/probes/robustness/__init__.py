"""Robustness: requests, attacks, and judges of harm."""
