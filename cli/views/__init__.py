"""Terminal output: a text with its salience, lists, matrices, comparisons.

Does not know: folders, models, options.
"""
