"""The commands: a signature, then one call.

Does not know: how anything is computed or drawn.
"""
