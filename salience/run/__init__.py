"""Many prompts: completed in batches, explained, estimated beforehand, traceable afterwards.

Does not know: where prompts come from and where results go.
"""
