"""Options of commands, single and in groups, and the library's options that they give.

Does not know: models, folders, what a command does with them.
"""
