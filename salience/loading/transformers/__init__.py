"""Read a folder that Hugging Face transformers wrote: config.json, and safetensors by name.

Does not know: Keras, hubs, tokenizers, the package transformers itself.
"""
