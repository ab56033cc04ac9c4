"""Gradient methods: from token ids to the scores of every earlier token.

Does not know: text, loaded models, other methods.
"""
