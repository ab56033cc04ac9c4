"""Let the model write again: change a part of the prompt, see whether the answer changes, and judge scores by that.

Does not know: how a model completes a prompt (``run/``), files, the sentences about what was found.
"""
