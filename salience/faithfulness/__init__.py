"""How far scores can be trusted: sources taken away in the order of their scores, on the model itself.

Does not know: sentences about trust (the views have them), files.
"""
