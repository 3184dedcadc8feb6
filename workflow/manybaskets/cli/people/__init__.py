"""Commands that people type: `plan`, `measure`, `judge`, `publish`, …."""
