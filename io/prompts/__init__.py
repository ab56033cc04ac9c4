"""Read prompts from files, tables, addresses and templates. LIT's field names are translated only here.

Does not know: models, results.
"""
