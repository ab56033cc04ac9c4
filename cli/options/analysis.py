"""The options of ``run`` that say how to complete and explain prompts, and the analysis options that they give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from promptlight.cli.options.completion import complete_cuts
from promptlight.cli.options.panels import EXPLANATION, OUTPUT, TEXT
from promptlight.cli.options.shared import CompatOption, FoilOption, ObjectiveOption, StopOption
from promptlight.cli.options.stopping import read_stops
from promptlight.salience.errors import UsageError
from promptlight.salience.options.methods import AblationKind, Baseline, EmbeddingPart, MethodOptions, ShapleySampling
from promptlight.salience.text.spelling import suggest
from promptlight.salience.types import Compat, Explain, Granularity, Method, Objective

if TYPE_CHECKING:
    from promptlight.salience.options.analysis import AnalysisOptions


@dataclass(frozen=True, kw_only=True)
class Chance:
    """How to sample completions, and before which texts they end."""

    stop: StopOption = None

    temperature: Annotated[
        float,
        typer.Option(
            min=0.0,
            help="Randomness of completions: 0 always writes the likeliest token, above 0 tokens are drawn at random.",
            rich_help_panel=TEXT,
        ),
    ] = 0.0
    top_k: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="With a temperature: draw from the K likeliest tokens.", rich_help_panel=TEXT
        ),
    ] = None
    top_p: Annotated[
        float | None,
        typer.Option(
            help="With a temperature: draw from the fewest tokens whose probabilities add up to P.",
            rich_help_panel=TEXT,
        ),
    ] = None
    seed: Annotated[
        int,
        typer.Option(
            help="Random seed: the same seed gives the same text and noise, whatever the batch size.",
            rich_help_panel=TEXT,
        ),
    ] = 0


@dataclass(frozen=True, kw_only=True)
class Explaining:
    """What to explain, by which methods, and which scores to store."""

    explain: Annotated[
        Explain | None,
        typer.Option(
            help="Explain what the model writes (response), the record's own `target` where it has one, or the output"
            " in an evaluation's log, of which target is the right answer (default: output for such a log, else"
            " response).",
            rich_help_panel=EXPLANATION,
        ),
    ] = None
    method: Annotated[
        list[Method] | None,
        typer.Option(
            "--method",
            metavar="METHOD",
            help=f"How salience is computed: {', '.join(Method)} (default: grad_l2); repeatable, the first is shown.",
        ),
    ] = None
    objective: ObjectiveOption = Objective.LOGPROB
    foil: FoilOption = None
    targets: Annotated[
        Granularity,
        typer.Option(
            help="Finest targets to explain: token covers all coarser ones; another choice explains only those spans,"
            " and is faster.",
            rich_help_panel=EXPLANATION,
        ),
    ] = Granularity.TOKEN
    sources: Annotated[
        Granularity,
        typer.Option(
            "--sources", help="Spans that occlusion, lime, shap and surrogate take away.", rich_help_panel=EXPLANATION
        ),
    ] = Granularity.LINE
    own_sources: Annotated[
        Granularity | None,
        typer.Option(
            "--own-sources",
            help="Spans of the completion that occlusion takes away (default: as --sources); word finds ways through"
            " the model's own words best.",
            rich_help_panel=EXPLANATION,
        ),
    ] = None
    ablate: Annotated[
        AblationKind,
        typer.Option(
            help="How occlusion, lime, shap and surrogate take a span away: its tokens become the mean embedding, are"
            " cut out, or become <pad>.",
            rich_help_panel=EXPLANATION,
        ),
    ] = AblationKind.MASK_EMBEDDING
    ablations: Annotated[
        int,
        typer.Option(
            min=1,
            metavar="N",
            help="Number of ablations, texts with spans taken away, that lime, shap and surrogate try per prompt.",
            rich_help_panel=EXPLANATION,
        ),
    ] = MethodOptions.ablations
    shapley: Annotated[
        ShapleySampling,
        typer.Option(
            help="How shap estimates Shapley values: by Kernel SHAP's regression, or by random orders.",
            rich_help_panel=EXPLANATION,
        ),
    ] = ShapleySampling.KERNEL
    embedding: Annotated[
        EmbeddingPart,
        typer.Option(
            help="Where a model looks each token up in two tables, as Gemma 3n and the small Gemma 4 do: gradients by"
            " both rows as they enter the network, or by the main one alone.",
            rich_help_panel=EXPLANATION,
        ),
    ] = MethodOptions.embedding
    ig_steps: Annotated[
        int,
        typer.Option(
            min=1,
            metavar="N",
            help="Number of gradients along the path of integrated_gradients.",
            rich_help_panel=EXPLANATION,
        ),
    ] = MethodOptions.ig_steps
    ig_baseline: Annotated[
        Baseline,
        typer.Option(
            help="Where the path of integrated_gradients starts: at zero, the mean embedding, or <pad>'s.",
            rich_help_panel=EXPLANATION,
        ),
    ] = MethodOptions.ig_baseline
    smoothgrad_samples: Annotated[
        int,
        typer.Option(
            min=2, metavar="N", help="Number of noisy texts that smoothgrad averages over.", rich_help_panel=EXPLANATION
        ),
    ] = MethodOptions.smoothgrad_samples
    smoothgrad_noise: Annotated[
        float,
        typer.Option(
            help="Noise of smoothgrad, as a share of the standard deviation of the embeddings.",
            rich_help_panel=EXPLANATION,
        ),
    ] = MethodOptions.smoothgrad_noise
    compat: CompatOption = None
    store: Annotated[
        str | None,
        typer.Option(
            "--store",
            metavar="LIST",
            autocompletion=complete_cuts,
            help="Targets whose scores are stored, such as word,line; token needs the most space (default: all).",
            rich_help_panel=OUTPUT,
        ),
    ] = None


def build_options(
    explaining: Explaining, chance: Chance, max_new_tokens: int, *, thinking: bool = False
) -> AnalysisOptions:
    """The analysis options of a command line. Raises UsageError if options contradict each other."""
    from promptlight.salience.options.analysis import AnalysisOptions
    from promptlight.salience.options.sampling import Sampling

    sampling = Sampling(
        temperature=chance.temperature,
        top_k=chance.top_k,
        top_p=chance.top_p,
        seed=chance.seed if chance.temperature else 0,
    )
    return AnalysisOptions(
        max_new_tokens=max_new_tokens,
        stop=read_stops(chance.stop),
        thinking=thinking,
        sampling=sampling,
        explain=explaining.explain or Explain.RESPONSE,
        methods=tuple(dict.fromkeys(explaining.method or [Method.GRAD_L2])),
        method_options=MethodOptions(
            embedding=explaining.embedding,
            ig_steps=explaining.ig_steps,
            ig_baseline=explaining.ig_baseline,
            smoothgrad_samples=explaining.smoothgrad_samples,
            smoothgrad_noise=explaining.smoothgrad_noise,
            sources=explaining.sources,
            own_sources=explaining.own_sources,
            ablate=explaining.ablate,
            ablations=explaining.ablations,
            shapley=explaining.shapley,
            seed=chance.seed,
        ),
        objective=choose_objective(explaining.objective, explaining.compat),
        foil=explaining.foil,
        targets=explaining.targets,
        stored=_parse_stored(explaining.store),
        compat=explaining.compat,
    )


def choose_objective(objective: Objective, compat: Compat | None) -> Objective:
    """The objective for ``--compat``: LIT shows the loss's gradients, so positive lowers the target."""
    if compat is Compat.LIT and objective in (Objective.LOGPROB, Objective.LOSS):
        return Objective.LOSS
    if compat is Compat.LIT:
        raise UsageError(f"--compat lit: expected no --objective, which is LIT's own, found {objective}: leave it out")
    return objective


def _parse_stored(text: str | None) -> tuple[Granularity, ...]:
    """The granularities that ``--store`` names; all by default."""
    names = [name.strip() for name in text.split(",")] if text else list(Granularity)
    for name in names:
        if name not in list(Granularity):
            hint = suggest(name, Granularity)
            raise UsageError(f"--store: expected some of {','.join(Granularity)}, found {name!r}{hint}")
    return tuple(map(Granularity, names))
