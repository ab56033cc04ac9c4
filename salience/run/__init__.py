"""Run many prompts: complete them in batches, explain them, estimate the cost beforehand, and record provenance.

Does not know: where prompts come from and where results go.
"""
