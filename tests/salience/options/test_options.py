"""Options and what is stored of them: every option that changes results is described, and comes back."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import pytest

from promptlight.salience.options.analysis import AnalysisOptions
from promptlight.salience.options.methods import AblationKind, Baseline, EmbeddingPart, MethodOptions, ShapleySampling
from promptlight.salience.options.sampling import Sampling
from promptlight.salience.types import Compat, Explain, Granularity, Method, Objective

ALL = AnalysisOptions(methods=tuple(Method))  # so that the options of every method count
DRAWN = Sampling(temperature=0.5)
OTHER: dict[type, dict[str, Any]] = {  # another value than the default for every option
    AnalysisOptions: {
        "max_new_tokens": 7,
        "stop": ("\n\n", "Recommendation:"),
        "sampling": DRAWN,
        "explain": Explain.TARGET,
        "methods": (Method.SHAP, Method.GRAD_L2),
        "method_options": MethodOptions(seed=3),
        "objective": Objective.MARGIN,
        "foil": "auto",
        "targets": Granularity.LINE,
        "stored": (Granularity.WORD, Granularity.LINE),
        "compat": Compat.LIT,
        "thinking": True,
    },
    Sampling: {"temperature": 0.7, "top_k": 5, "top_p": 0.9, "seed": 4},
    MethodOptions: {
        "ig_steps": 3,
        "ig_baseline": Baseline.PAD,
        "smoothgrad_samples": 4,
        "smoothgrad_noise": 0.25,
        "sources": Granularity.WORD,
        "own_sources": Granularity.TOKEN,
        "ablate": AblationKind.DROP,
        "ablations": 9,
        "shapley": ShapleySampling.ORDERS,
        "seed": 5,
        "embedding": EmbeddingPart.MAIN,
    },
}
EACH = [(owner, one.name) for owner in OTHER for one in fields(owner)]


def change(owner: type, name: str) -> tuple[AnalysisOptions, AnalysisOptions]:
    """Options, and the same with one of them changed."""
    value = OTHER[owner][name]
    if owner is Sampling:
        before = replace(ALL, sampling=DRAWN)
        return before, replace(before, sampling=replace(DRAWN, **{name: value}))
    if owner is MethodOptions:
        return ALL, replace(ALL, method_options=MethodOptions(**{name: value}))
    before = AnalysisOptions() if name == "foil" else ALL  # methods that take spans away take no foil
    return before, replace(before, **{name: value})


@pytest.mark.parametrize(("owner", "name"), EACH)
def test_every_option_is_described_and_comes_back(owner: type, name: str) -> None:
    before, after = change(owner, name)
    stored = json.loads(json.dumps(after.describe()))
    assert stored != json.loads(json.dumps(before.describe()))
    assert AnalysisOptions.from_settings(stored) == after
    assert AnalysisOptions.from_settings(stored | {"model": "demo", "chat": True}) == after


def test_options_of_methods_that_do_not_run_are_not_described() -> None:
    options = MethodOptions(ig_steps=5, seed=3)
    assert options.describe([Method.GRAD_L2, Method.GRAD_DOT_INPUT]) == {}
    assert options.describe([Method.OCCLUSION]) == {"sources": "line", "ablate": "mask-embedding"}
    assert options.describe([Method.INTEGRATED_GRADIENTS]) == {"ig_steps": 5, "ig_baseline": "mean"}
    assert options.describe([Method.SMOOTHGRAD, Method.GRAD_L2]) == {
        "smoothgrad_samples": options.smoothgrad_samples,
        "smoothgrad_noise": options.smoothgrad_noise,
        "smoothgrad_seed": 3,
    }


def test_what_settings_lack_stays_at_its_default() -> None:
    """Those of a folder that this version's predecessors wrote, or a library's user."""
    assert AnalysisOptions.from_settings({}) == AnalysisOptions()
    assert AnalysisOptions.from_settings({"methods": ["lime"], "compat": None}).methods == (Method.LIME,)


def test_the_keys_are_those_of_folders_that_exist() -> None:
    assert set(replace(ALL, objective=Objective.LOGPROB).describe()) == {
        "methods",
        "objective",
        "explain",
        "max_new_tokens",
        "targets",
        "keep",
        "compat",
        "temperature",
        "top_k",
        "top_p",
        "seed",
        "ig_steps",
        "ig_baseline",
        "smoothgrad_samples",
        "smoothgrad_noise",
        "smoothgrad_seed",
        "sources",
        "ablate",
        "samples",
        "perturbation_seed",
        "shapley",
    }
