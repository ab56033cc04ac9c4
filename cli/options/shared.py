"""Options that several commands share, so that they read the same everywhere."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from promptlight.cli.views.look import Marking, Spacing
from promptlight.io.results.digits import Scores
from promptlight.io.tables.tidy import TableFormat
from promptlight.salience.options.methods import AblationKind, Baseline, ShapleySampling
from promptlight.salience.types import Compat, Explain, Granularity, Method, Objective, Pooling


class Device(StrEnum):
    """Where the model runs."""

    AUTO = "auto"
    CUDA = "cuda"
    CPU = "cpu"
    MPS = "mps"


class Dtype(StrEnum):
    """The precision of the model's weights."""

    AUTO = "auto"
    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


class RunEngine(StrEnum):
    """The engine of a run."""

    LOCAL = "local"
    RAY = "ray"


PromptsArgument = Annotated[
    list[str],
    typer.Argument(
        help="JSONL, each object with a `prompt` or `messages`; or .txt, .csv, .tsv, .parquet, also .gz or .zst; an "
        "address (https://, s3://, gs://, hf://); - for standard input; sample_prompts. NAME:FILE names a file."
    ),
]
ModelOption = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        help="A preset (gemma2_instruct_2b_en), kaggle://..., hf://..., a folder, or demo: the small model inside.",
        show_default=True,
    ),
]
DeviceOption = Annotated[Device, typer.Option(help="auto takes CUDA where there is one.")]
DtypeOption = Annotated[Dtype, typer.Option(help="auto is bfloat16 on CUDA, float32 elsewhere.")]
EngineOption = Annotated[
    RunEngine,
    typer.Option(help="This process, or actors on a Ray cluster or all GPUs of this machine: docs/scale.md."),
]
RayAddressOption = Annotated[
    str | None,
    typer.Option("--ray-address", metavar="HOST:PORT", help="The Ray cluster (default: RAY_ADDRESS, or this machine)."),
]
ActorsOption = Annotated[
    int | None, typer.Option(min=1, help="How many of them (default: one per GPU; without, one per two CPUs).")
]
GpusPerActorOption = Annotated[
    float | None,
    typer.Option(min=0.0, max=1.0, help="What part of a GPU each has; 0 is the CPU (default: 1 where there are some)."),
]
MaxNewTokensOption = Annotated[int, typer.Option(min=1, help="Longest completion, in tokens.")]
ChatOption = Annotated[bool, typer.Option("--chat", help="Put each prompt into Gemma's chat format.")]
WhereOption = Annotated[
    list[str] | None,
    typer.Option("--where", metavar="NAME=VALUE", help="Only records with this in a field; repeatable."),
]
IdsOption = Annotated[list[str] | None, typer.Option("--id", help="Only the record with this id; repeatable.")]
TemplateOption = Annotated[
    Path | None, typer.Option("--template", metavar="FILE", help="Text with {fields} of each record: makes its prompt.")
]
ExplainOption = Annotated[
    Explain, typer.Option(help="Explain what the model writes, or the record's `target` where it has one.")
]
MethodsOption = Annotated[
    list[Method] | None,
    typer.Option("--method", help="How salience is computed (default: grad_l2); repeatable, the first is shown."),
]
StoredMethodOption = Annotated[
    Method | None, typer.Option("--method", help="Which of the methods that were run (default: the first).")
]
ShownMethodOption = Annotated[
    Method | None, typer.Option("--method", help="Of results, one that was run; of a --prompt, any (default: grad_l2).")
]
ObjectiveOption = Annotated[
    Objective, typer.Option(help="What salience is of: the target's log-probability, or see docs/methods.md.")
]
FoilOption = Annotated[
    str | None,
    typer.Option(
        "--foil",
        metavar="TEXT",
        help="Why this and not that: TARGET=>FOIL, another completion, or auto, the runner-up of each token; a "
        "record's own `foil` comes first.",
    ),
]
IgStepsOption = Annotated[int, typer.Option(min=1, help="Gradients along integrated_gradients' path.")]
IgBaselineOption = Annotated[
    Baseline, typer.Option(help="What integrated_gradients starts from: nothing, the mean embedding, or <pad>'s.")
]
SmoothgradSamplesOption = Annotated[int, typer.Option(min=2, help="Noisy texts that smoothgrad averages over.")]
SmoothgradNoiseOption = Annotated[
    float, typer.Option(help="Its noise, as a part of the embeddings' standard deviation.")
]
SourcesOption = Annotated[
    Granularity, typer.Option("--sources", help="What occlusion, lime, shap and surrogate take away.")
]
AblateOption = Annotated[
    AblationKind, typer.Option(help="How: their tokens become the mean embedding, are cut out, or become <pad>.")
]
AblationsOption = Annotated[
    int, typer.Option(min=1, help="How many texts with parts taken away lime, shap and surrogate try per prompt.")
]
ShapleyOption = Annotated[
    ShapleySampling, typer.Option(help="How shap draws: Kernel SHAP's regression, or random orders.")
]
TargetsOption = Annotated[
    Granularity,
    typer.Option(help="token stores scores for all; another one only for those spans, which is faster."),
]
StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store", metavar="LIST", help="Of which targets scores are kept, as word,line; token is most (default: all)."
    ),
]
ScoresOption = Annotated[
    Scores, typer.Option("--scores", help="Digits that are kept; float16's eleven bits take half the room on disk.")
]
TemperatureOption = Annotated[float, typer.Option(min=0.0, help="0 is greedy; above 0, tokens are drawn.")]
TopKOption = Annotated[int | None, typer.Option(min=1, help="Draw from the k likeliest tokens.")]
TopPOption = Annotated[float | None, typer.Option(help="Draw from the fewest tokens that reach this share.")]
SeedOption = Annotated[
    int, typer.Option(help="The same seed draws the same text, whatever the batch size, and the same noise.")
]
CompatOption = Annotated[
    Compat | None, typer.Option(help="Cut, sum and sign as LIT does, where promptlight differs: docs/lit.md.")
]
SectionsOption = Annotated[
    Path | None,
    typer.Option(
        "--sections", metavar="FILE", help="TOML: a section's name = the pattern of its text (for `section`)."
    ),
]
HOW_TO_CUT = "token, word, sentence, line, paragraph, section, or regex:PATTERN, which starts a span at every match"
ByOption = Annotated[str, typer.Option("--by", metavar="CUT", help=f"How the sources are cut: {HOW_TO_CUT}.")]
PoolOption = Annotated[
    Pooling, typer.Option("--pool", help="How the scores of a source's tokens become one; exact only as a sum.")
]
TargetOption = Annotated[
    str | None,
    typer.Option(
        "--target", "-t", help="What is explained: a span's number, some of its text, or a pattern (default: all)."
    ),
]
OtherMethodOption = Annotated[
    Method | None, typer.Option("--other-method", help="The same for the second prompt (default: as the first).")
]
OtherTargetOption = Annotated[
    str | None, typer.Option("--other-target", help="The same for the second prompt (default: as the first).")
]
TopOption = Annotated[int, typer.Option(min=0, help="How many of the strongest sources are listed.")]
IntensityOption = Annotated[
    float, typer.Option(min=0.01, max=1.0, help="How strongly faint sources are coloured, to 1; LIT's scale.")
]
MarkingOption = Annotated[Marking, typer.Option("--marking", help="Shade the text, or draw bars below it.")]
SpacingOption = Annotated[Spacing, typer.Option("--spacing", help="How close the lines stand.")]
WidthOption = Annotated[
    int | None, typer.Option(min=20, help="Cells in a line (default: the terminal's; 100 in a file).")
]
SvgOption = Annotated[Path | None, typer.Option("--svg", metavar="FILE", help="Draw into an SVG file instead.")]
HtmlOption = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Draw into an HTML file instead.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")]
FormatOption = Annotated[
    TableFormat | None, typer.Option("--format", "-f", help="Format (default: by the file's ending).")
]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")]
TargetByOption = Annotated[
    str | None,
    typer.Option("--target-by", metavar="CUT", help="How the targets are cut (default: as the sources)."),
]
