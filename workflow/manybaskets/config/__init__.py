"""The config of a study: one module of pydantic models per section, and validation across them."""
