"""One package per probe: collapse, robustness and preference. None imports another."""
