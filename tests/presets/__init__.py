"""Presets, run for real at micro scale: `make test-presets`."""
