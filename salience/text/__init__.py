"""Text and its parts: characters, pieces, tokens, spans, and what a user may name in them.

Does not know: torch, scores, models, files.
"""
