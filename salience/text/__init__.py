"""Text and its parts: characters, pieces, tokens and spans, and how users refer to them.

Does not know: torch, scores, models, files.
"""
