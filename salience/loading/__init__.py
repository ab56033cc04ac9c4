"""From a handle to a loaded model: hubs, presets, families, Keras.

Does not know: salience, prompts, what a model is used for.
"""
