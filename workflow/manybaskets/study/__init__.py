"""A study's cells, series and files."""
