"""Which line of the prompt mattered most for the recommendation, over all prompts? In Polars, without reading it all.

promptlight export results/ -o lines.parquet
python examples/recipes/polars_top_lines.py lines.parquet
"""

import sys

import polars as pl

lines = (
    pl.scan_parquet(sys.argv[1])
    .filter(pl.col("target_text").str.starts_with("Recommendation"), pl.col("source_role") == "prompt")
    .group_by("id", line=pl.col("source_text").str.strip_chars())
    .agg(pl.col("share").cast(pl.Float64).sum())
    .group_by("line")
    .agg(percent=(100 * pl.col("share").mean()).round(1), prompts=pl.len())
    .sort("percent", "line", descending=[True, False])
    .head(5)
    .collect()
)
for line, percent, prompts in lines.iter_rows():
    print(f"{percent:.1f}% in {prompts}: {line}")
