"""The work of commands: load models late, look up results, show progress, handle signals.

Does not know: options, how results are drawn.
"""
