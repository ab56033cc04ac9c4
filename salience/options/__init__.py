"""The options of an analysis: how to complete prompts, what to explain, and by which methods.

Does not know: how any of it is done.
"""
