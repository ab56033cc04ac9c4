"""The Gemma decoder in torch: its parts forward and backward, generation, and memory planning.

Does not know: how weights are loaded, text, prompts, salience.
"""
