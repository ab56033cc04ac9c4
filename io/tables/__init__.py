"""Write tables for other programs: Parquet, CSV, JSON lines, Arrow, pandas.

Does not know: how results are stored.
"""
