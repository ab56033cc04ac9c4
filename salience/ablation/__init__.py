"""Methods that take source spans away and see what the model makes of the rest.

Does not know: gradients, loaded models, generation.
"""
