"""Load a Gemma model from a GGUF file, the format of llama.cpp and Ollama.

 1. Read the header: fields, and where each tensor lies (``_header``).
 2. Work out from it what the decoder computes (``_fields``, ``_architecture``, ``_layers``), and check that the file
    has every tensor in its shape and a known type (``_names``, ``_tensors``).
 3. Rebuild the vocabulary from scores or merges (``_vocabulary``, ``_merges``).
 4. Dequantise each tensor when the decoder is assembled (``_tensors``), and rows of the per-layer embedding when a text
    needs them (``_rows``); ggml-org's ``gguf`` does the arithmetic (``_blocks``).

Does not know: folders, hubs, Keras, how a decoder is assembled.
"""
