"""The Gemma decoder in torch: its parts forward and backward, generation, and what memory they take.

Does not know: how weights are loaded, text, prompts, salience.
"""
