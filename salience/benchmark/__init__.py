"""Prompts whose responsible lines are known, and how often each method finds them.

Does not know: any model but the bundled one.
"""
