"""The page that ``report`` writes, and its colours.

Does not know: how results are stored.
"""
