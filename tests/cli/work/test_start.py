"""What a run says of its model before it starts."""

from __future__ import annotations

from dataclasses import replace

from promptlight.cli.work._notes import describe_start
from promptlight.salience.model import Model
from promptlight.salience.run.provenance import describe_provenance
from promptlight.salience.types import Method


def test_experts_are_named_where_a_method_follows_a_path(demo_model: Model) -> None:
    facts = replace(demo_model.facts, n_experts=128)
    said = [line for line in describe_start(facts, [Method.INTEGRATED_GRADIENTS]) if "experts" in line]
    assert len(said) == 1
    assert "128 experts" in said[0]
    assert not [line for line in describe_start(facts, [Method.GRAD_L2]) if "experts" in line]
    assert not [line for line in describe_start(demo_model.facts, list(Method)) if "experts" in line]


def test_experts_are_recorded_where_a_model_has_some(demo_model: Model) -> None:
    assert describe_provenance(replace(demo_model.facts, n_experts=128))["n_experts"] == 128
    assert "n_experts" not in describe_provenance(demo_model.facts)
