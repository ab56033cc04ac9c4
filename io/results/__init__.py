"""Read and write the results folder and its Parquet shards.

Does not know: models, tables for other programs, pages.
"""
