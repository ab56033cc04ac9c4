"""Measure how far scores can be trusted: remove sources from the text in the order of their scores, on the model.

Does not know: sentences about trust (the views have them), files.
"""
