"""The terminal app of ``promptlight explore``: choose a prompt and a target with keys or the mouse.

Does not know: options, how results are stored.
"""
