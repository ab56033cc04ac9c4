"""Gradient methods: compute the scores of every earlier token from token ids.

Does not know: text, loaded models, other methods.
"""
