"""Options that several commands share, so that they read the same everywhere."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from promptlight.cli.options.completion import (
    complete_condition,
    complete_cut,
    complete_folder,
    complete_id,
    complete_model,
    complete_target,
)
from promptlight.cli.options.panels import DRAWING, EXPLANATION, INPUT, MODEL, OUTPUT, QUESTION, TEXT
from promptlight.cli.views.look import Marking, Paper, Spacing
from promptlight.io.page.colours import Colours
from promptlight.io.prompts.formats.recognition import RecordFormat
from promptlight.io.tables.formats import TableFormat
from promptlight.salience.types import Compat, Method, Objective, Pooling, Way


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


# Where prompts and results come from

RESULTS_HELP = "A results folder that `promptlight run` made, or its address (default: results/, if there is one"
ResultsArgument = Annotated[str | None, typer.Argument(help=f"{RESULTS_HELP}).", autocompletion=complete_folder)]
ResultsOrPromptArgument = Annotated[
    str | None, typer.Argument(help=f"{RESULTS_HELP} and no --prompt).", autocompletion=complete_folder)
]
WHERE_HELP = "Take only records with this value in this field; repeatable."
WhereOption = Annotated[
    list[str] | None, typer.Option("--where", metavar="NAME=VALUE", help=WHERE_HELP, autocompletion=complete_condition)
]
ID_HELP = "Take only the record with this id; repeatable."
IdsOption = Annotated[list[str] | None, typer.Option("--id", help=ID_HELP, autocompletion=complete_id)]
PROMPT_FIELD_HELP = (
    "Field or column that holds the prompt, as text or as messages (default: prompt). A name with dots, as"
    " body.prompt or messages.0.content, leads into an object or a list; so for all names of fields."
)
TEMPLATE_HELP = "Text file with {fields} of each record; makes its prompt."
TemplateOption = Annotated[Path | None, typer.Option("--template", metavar="FILE", help=TEMPLATE_HELP)]
CHAT_HELP = "Put each prompt into Gemma's chat format."
ChatOption = Annotated[bool, typer.Option("--chat", help=CHAT_HELP)]
ChatForTextOption = Annotated[bool, typer.Option("--chat", help=CHAT_HELP, rich_help_panel=MODEL)]
THINKING_HELP = "Ask the model to think before it answers a chat (Gemma 4)."
ThinkingOption = Annotated[bool, typer.Option("--thinking", help=THINKING_HELP, rich_help_panel=MODEL)]

# The model

MODEL_HELP = (
    "Model: a preset (gemma2_instruct_2b_en), Hugging Face's OWNER/MODEL, kaggle://..., hf://..., a folder, a GGUF"
    " file, or demo, the small bundled one."
)
MAX_NEW_TOKENS_HELP = "Most tokens that a completion may have."
ModelOption = Annotated[
    str, typer.Option("--model", "-m", help=MODEL_HELP, rich_help_panel=MODEL, autocompletion=complete_model)
]
ADAPTER_HELP = "LoRA adapter to merge into the model: a folder that PEFT wrote, or a .lora.h5 of Keras"
AdapterOption = Annotated[
    str | None, typer.Option("--adapter", metavar="FOLDER", help=f"{ADAPTER_HELP}.", rich_help_panel=MODEL)
]
DeviceOption = Annotated[
    Device, typer.Option(help="Where the model runs; auto uses CUDA if there is any.", rich_help_panel=MODEL)
]
DTYPE_HELP = "Precision of the model's weights; auto is bfloat16 on CUDA, float32 elsewhere"
DtypeOption = Annotated[Dtype, typer.Option(help=f"{DTYPE_HELP}.", rich_help_panel=MODEL)]
MaxNewTokensOption = Annotated[int, typer.Option(min=1, metavar="N", help=MAX_NEW_TOKENS_HELP, rich_help_panel=MODEL)]
STOP_HELP = "End a completion before this text, in which \\n is a line feed; repeatable"
StopOption = Annotated[
    list[str] | None, typer.Option("--stop", metavar="TEXT", help=f"{STOP_HELP}.", rich_help_panel=TEXT)
]
StoredStopOption = Annotated[
    list[str] | None,
    typer.Option("--stop", metavar="TEXT", help=f"{STOP_HELP} (default: the folder's own).", rich_help_panel=TEXT),
]

# What is asked of scores

StoredMethodOption = Annotated[
    Method | None,
    typer.Option(
        "--method",
        help="Method whose scores are used, one of the run's (default: its first).",
        rich_help_panel=QUESTION,
    ),
]
ShownMethodOption = Annotated[
    Method | None,
    typer.Option(
        "--method",
        help="Method to show (default: the first of the folder's run; for a --prompt grad_l2).",
        rich_help_panel=QUESTION,
    ),
]
CompatOption = Annotated[
    Compat | None,
    typer.Option(
        help="Follow LIT where promptlight differs: its cuts, sums and signs; docs/lit.md.", rich_help_panel=EXPLANATION
    ),
]
OBJECTIVE_HELP = "The number that is explained: a target's log-probability, or another one of docs/methods.md"
ObjectiveOption = Annotated[Objective, typer.Option(help=f"{OBJECTIVE_HELP}.", rich_help_panel=EXPLANATION)]
StoredObjectiveOption = Annotated[
    Objective | None,
    typer.Option(help=f"{OBJECTIVE_HELP} (default: the folder's own).", rich_help_panel=EXPLANATION),
]
FoilOption = Annotated[
    str | None,
    typer.Option(
        "--foil",
        metavar="TEXT",
        help="Why this and not that: TARGET=>FOIL, another completion, auto, the runner-up of each token, or gold, the "
        "right answer in an evaluation's log; a record's own `foil` comes first.",
        rich_help_panel=EXPLANATION,
    ),
]
SectionsOption = Annotated[
    Path | None,
    typer.Option(
        "--sections",
        metavar="FILE",
        help="TOML file that names sections by patterns of their text.",
        rich_help_panel=QUESTION,
    ),
]


def target_option(help: str) -> Any:
    """What is explained; each command says in its help what that is to it."""
    return typer.Option("--target", "-t", autocompletion=complete_target, help=help, rich_help_panel=QUESTION)


HOW_TO_CUT = "token, word, sentence, line, paragraph, section, or regex:PATTERN, which starts a span at every match"
ByOption = Annotated[
    str,
    typer.Option(
        "--by",
        metavar="CUT",
        help=f"How sources are cut: {HOW_TO_CUT}.",
        autocompletion=complete_cut,
        rich_help_panel=QUESTION,
    ),
]
TargetByOption = Annotated[
    str | None,
    typer.Option(
        "--target-by",
        metavar="CUT",
        help="How targets are cut (default: by line).",
        autocompletion=complete_cut,
        rich_help_panel=QUESTION,
    ),
]
PoolOption = Annotated[
    Pooling,
    typer.Option(
        "--pool",
        help="How the scores of a source's tokens become one score; only sum is exact.",
        rich_help_panel=QUESTION,
    ),
]
WayOption = Annotated[
    Way,
    typer.Option(
        "--way",
        help="How sources reach the target: directly, through the model's own words before it, or in all (both). By "
        "default, through and all ask about the last line.",
        rich_help_panel=QUESTION,
    ),
]
ThroughByOption = Annotated[
    str,
    typer.Option(
        "--through-by",
        metavar="CUT",
        help="How the model's own words are cut: token, word, sentence or line. Links within a part are not followed.",
        autocompletion=complete_cut,
        rich_help_panel=QUESTION,
    ),
]
FoldOption = Annotated[
    bool | None,
    typer.Option(
        "--fold/--no-fold",
        help="Fold lines that matter little (default: on a terminal, if the text is longer than it).",
        rich_help_panel=DRAWING,
    ),
]
TopOption = Annotated[int, typer.Option(min=0, help="Number of strongest sources to list.", rich_help_panel=OUTPUT)]

# Where output goes

COLOURS_HELP = (
    "Colours of what raised the target and what lowered it: blue and orange, which red-green-blind readers can tell "
    "apart, or LIT's teal and pink."
)
IntensityOption = Annotated[
    float,
    typer.Option(
        min=0.01,
        max=1.0,
        help="How strongly faint sources are coloured, up to 1; the default is LIT's.",
        rich_help_panel=DRAWING,
    ),
]
MarkingOption = Annotated[
    Marking | None,
    typer.Option(
        "--marking",
        help="How scores are marked: by shades of the text (without colours by numbers in it), or by bars below it "
        "(default: shades; without colours, bars for sources shorter than lines).",
        rich_help_panel=DRAWING,
    ),
]
PaperOption = Annotated[
    Paper,
    typer.Option(
        "--paper",
        help="Background to draw for; auto asks the terminal, and is light in files.",
        rich_help_panel=DRAWING,
    ),
]
SpacingOption = Annotated[
    Spacing, typer.Option("--spacing", help="Room between the lines of the text.", rich_help_panel=DRAWING)
]
ColoursOption = Annotated[Colours, typer.Option("--colours", help=COLOURS_HELP, rich_help_panel=DRAWING)]
EncodingOption = Annotated[
    str | None,
    typer.Option(
        "--encoding",
        metavar="NAME",
        help="Encoding of the files, such as cp1252 or shift_jis (default: UTF-8, or what a byte order mark or the text"
        " says; the command says what it found).",
        rich_help_panel=INPUT,
    ),
]
SplitOption = Annotated[
    str | None,
    typer.Option("--split", metavar="NAME", help="Split of a data set to read, such as train.", rich_help_panel=INPUT),
]
RecordFormatOption = Annotated[
    RecordFormat,
    typer.Option(
        "--format",
        help="Format of the records; auto recognises it by its fields, and the command says what it found.",
        rich_help_panel=INPUT,
    ),
]
FormatOption = Annotated[
    TableFormat | None,
    typer.Option(
        "--format",
        "-f",
        help="Format of the file (default: by the end of its name); excel-csv is a CSV for a double click in Excel.",
        rich_help_panel=OUTPUT,
    ),
]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace a file that exists.", rich_help_panel=OUTPUT)
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object instead of text.", rich_help_panel=OUTPUT)
]
