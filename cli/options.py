"""Options that several commands share, so that they read the same everywhere."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from promptlight.salience.types import Granularity


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
MaxNewTokensOption = Annotated[int, typer.Option(min=1, help="Longest completion, in tokens.")]
ByOption = Annotated[Granularity, typer.Option("--by", help="How finely the text is cut.")]
