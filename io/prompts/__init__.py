"""Prompts in: files, tables, addresses, templates. LIT's field names are translated here and nowhere else.

Does not know: models, results.
"""
