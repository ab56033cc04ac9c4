"""The page with a model behind it: a results folder, a queue of what is tried, and one worker that does it.

Does not know: commands, what the browser draws, how the terminal looks.
"""
