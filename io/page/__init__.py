"""Write the page of ``report``, and define its colours.

Does not know: how results are stored.
"""
