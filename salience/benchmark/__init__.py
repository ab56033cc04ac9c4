"""Prompts with known causes, and how often each method finds them.

Does not know: any model but the bundled one.
"""
