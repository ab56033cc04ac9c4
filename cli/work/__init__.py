"""What commands do: models that are loaded late, results that are looked up, progress, signals.

Does not know: options, how results are drawn.
"""
