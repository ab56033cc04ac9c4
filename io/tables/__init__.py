"""Write tables for other programs: Parquet, CSV, JSON lines, Arrow, SQLite, DuckDB, pandas.

Does not know: how results are stored.
"""
