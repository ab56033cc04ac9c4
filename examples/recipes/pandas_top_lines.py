"""Which line of the prompt mattered most for the recommendation, over all prompts? In pandas.

promptlight export results/ -o lines.parquet
python examples/recipes/pandas_top_lines.py lines.parquet
"""

import sys

import pandas as pd

rows = pd.read_parquet(sys.argv[1], columns=["id", "target_text", "source_text", "source_role", "share"])
rows = rows[rows["target_text"].str.startswith("Recommendation") & (rows["source_role"] == "prompt")]
rows["line"] = rows["source_text"].str.strip()
per_prompt = rows.astype({"share": "float64"}).groupby(["line", "id"], as_index=False)["share"].sum()
lines = per_prompt.groupby("line", as_index=False).agg(share=("share", "mean"), prompts=("id", "count"))
lines["percent"] = (100 * lines["share"]).round(1)

for line in lines.sort_values(["percent", "line"], ascending=[False, True]).head(5).itertuples():
    print(f"{line.percent:.1f}% in {line.prompts}: {line.line}")
