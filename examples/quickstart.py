"""The library without the command: explain two prompts, keep the results, ask which line mattered most.

python examples/quickstart.py [FOLDER]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import promptlight
from promptlight import Analysis, AnalysisOptions, Granularity, Prompt


def main(folder: Path) -> None:
    """Explain, keep, ask."""
    records = promptlight.read_prompts("sample_prompts")
    prompts = [
        record for record in records if isinstance(record, Prompt) and record.id in ("dish-mistake", "dish-fixed")
    ]

    model = promptlight.load_model("demo")  # or "gemma2_instruct_2b_en", a folder, hf://...
    options = AnalysisOptions(max_new_tokens=40)
    settings = promptlight.describe_settings(model.facts, options)
    with promptlight.ResultsWriter(folder, settings, promptlight.describe_provenance(model.facts)) as writer:
        for result in promptlight.analyze(prompts, model, options):
            writer.add(result)

    for result in promptlight.read_results(folder):
        if isinstance(result, Analysis):
            table = promptlight.build_span_table(result, targets=Granularity.LINE, sources=Granularity.LINE)
            lines = promptlight.to_frame(result, table)  # pandas: a row for each target line and source line
            asked = lines.loc[lines["target_text"].str.startswith("Recommendation")]
            strongest = asked.nlargest(1, "share").iloc[0]
            print(f"{result.completion.prompt.id}: {result.completion.completion_text.splitlines()[-1]}")
            print(f"  most of all because of: {strongest['source_text'].strip()} ({strongest['share']:.0%})")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            main(Path(folder))
