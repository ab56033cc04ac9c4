"""Load a model from its handle: hubs, presets, families, Keras.

Does not know: salience, prompts, what a model is used for.
"""
