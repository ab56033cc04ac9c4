"""What can be asked of every prompt: how it is completed, what is explained, by which methods.

Does not know: how any of it is done.
"""
