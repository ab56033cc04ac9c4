"""What must hold of every surface, tried by Hypothesis; ``make fuzz`` tries the same for longer."""

# pyright: standard

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.surface import NAMES, Surface


@pytest.fixture(params=NAMES)
def surface(request: pytest.FixtureRequest) -> Surface[Any]:
    return import_module(f"tests.fuzz.{request.param}").SURFACE


def test_it_holds_for_cases_of_its_kind(surface: Surface[Any]) -> None:
    given(surface.cases)(surface.check)()


def test_it_holds_for_any_bytes(surface: Surface[Any]) -> None:
    given(st.binary(max_size=200))(lambda data: surface.check(surface.from_bytes(data)))()


def test_it_holds_where_a_fuzzer_starts_and_where_it_once_broke(surface: Surface[Any]) -> None:
    for case in [*map(surface.from_bytes, surface.seeds), *surface.found]:
        surface.check(case)
