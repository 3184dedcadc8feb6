"""The sections of a config, a module for each part."""
