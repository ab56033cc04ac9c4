"""Ablation methods: remove source spans and measure how the model's predictions change.

Does not know: gradients, loaded models, generation.
"""
