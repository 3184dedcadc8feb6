"""What a study file may contain: one pydantic model per section, and validation across them."""
