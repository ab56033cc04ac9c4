"""Measure how far scores can be trusted: remove sources from the text, and see what the model makes of the rest.

Does not know: sentences about trust (the views have them), files.
"""
