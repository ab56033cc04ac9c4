"""The terminal: commands and views. ``python -m promptlight.cli`` is the same as ``promptlight``."""
