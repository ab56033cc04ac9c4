"""Read a Keras preset: keras-nlp loads the weights, and our own decoder runs them where they lie.

 1. Check that every key of config.json is known (``_keys``).
 2. Build the backbone without what reads images and sounds, and load its weights, all but the table of per-layer
    embeddings, which stays in its file (``backbone``, ``_table``).
 3. Borrow a decoder from it, as its family has its layers (``_gemma``, ``_gemma3n``, ``_gemma4``).

Does not know: hubs, transformers, GGUF.
"""
