"""The results folder: Parquet shards, read and written.

Does not know: models, tables for other programs, pages.
"""
