"""Options, alone and in groups, and what they come to.

Does not know: models, folders, what a command does with them.
"""
