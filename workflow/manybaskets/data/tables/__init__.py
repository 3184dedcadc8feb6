"""The one reader of foreign files: their formats, their values, and the shapes of their rows."""
