"""Which line of the prompt mattered most for the recommendation, over all prompts? In DuckDB's SQL.

promptlight export results/ -o lines.parquet
python examples/recipes/duckdb_top_lines.py lines.parquet
"""

import sys

import duckdb

lines = duckdb.execute(
    r"""
    WITH per_prompt AS (
        SELECT id, trim(source_text, E' \t\r\n') AS line, sum(share::DOUBLE) AS share
        FROM read_parquet(?)
        WHERE starts_with(target_text, 'Recommendation') AND source_role = 'prompt'
        GROUP BY id, line
    )
    SELECT round(100 * avg(share), 1) AS percent, count(*) AS prompts, line
    FROM per_prompt
    GROUP BY line
    ORDER BY percent DESC, line
    LIMIT 5
    """,
    [sys.argv[1]],
)
for percent, prompts, line in lines.fetchall():
    print(f"{percent:.1f}% in {prompts}: {line}")
