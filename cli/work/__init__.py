"""The work of commands: load models late, look up results, show progress, handle signals.

Does not know: Typer, how options are declared, how a view looks.
"""
