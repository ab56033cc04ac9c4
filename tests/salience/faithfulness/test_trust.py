"""What measurements say in words and over many prompts, on numbers that are made up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from promptlight.cli.views.trust import describe_trust, is_beaten_by_rule, name_rival, name_target
from promptlight.salience.faithfulness.curves import OrderFigures
from promptlight.salience.faithfulness.summaries import PromptEvaluation, summarize_methods
from tests.support.evaluations import ROW, figures


def test_the_best_case() -> None:
    assert describe_trust(ROW) == (
        "taking away the 3 strongest lines lowers the log-probability by 5.2; the 3 nearest lines by 2.0, "
        "3 lines at random by 0.84. The order beats 19 of 20 random orders. "
        "With a little noise the order hardly changes (rank correlation 0.98)."
    )


@pytest.mark.parametrize(
    ("n_random", "n_beaten", "says"),
    [
        (20, 20, " The order beats 20 of 20 random orders."),
        (20, 19, " The order beats 19 of 20 random orders."),  # p = 2/21
        (20, 18, " The order beats 18 of 20 random orders, which may still be chance."),  # 3/21
        (20, 16, " The order beats 16 of 20 random orders, which may still be chance."),  # 5/21
        (20, 15, " No better than chance here: the order beats 15 of 20 random orders."),  # 6/21
        (20, 0, " No better than chance here: the order beats 0 of 20 random orders."),
        (9, 9, " The order beats 9 of 9 random orders."),  # 1/10
        (8, 8, " The order beats 8 of 8 random orders, which may still be chance."),
        (2, 2, " No better than chance here: the order beats 2 of 2 random orders."),
    ],
)
def test_chance_is_told_by_the_rank_among_random_orders(n_random: int, n_beaten: int, says: str) -> None:
    assert says + " With" in describe_trust(replace(ROW, n_random=n_random, n_beaten=n_beaten))


@pytest.mark.parametrize(
    ("correlation", "says"),
    [
        (0.9, "With a little noise the order hardly changes (rank correlation 0.90)."),
        (0.89, "With a little noise the order changes in part (rank correlation 0.89)."),
        (0.7, "With a little noise the order changes in part (rank correlation 0.70)."),
        (0.69, "With a little noise the order changes a lot (rank correlation 0.69)."),
        (-0.2, "With a little noise the order changes a lot (rank correlation -0.20)."),
        (None, "random orders."),
    ],
)
def test_noise(correlation: float | None, says: str) -> None:
    assert describe_trust(replace(ROW, noise_correlation=correlation)).endswith(says)


def test_a_drop_that_is_none_is_called_a_rise() -> None:
    behind = replace(ROW, nearest=figures(-15, -3), last_line=figures(-15, -3))
    said = describe_trust(replace(behind, order=figures(-20, -0.25), random=figures(-10, 1.26)))
    assert said.startswith(
        "taking away the 3 strongest lines raises the log-probability by 0.25; 3 lines at random lower it by 1.3. "
    )
    said = describe_trust(replace(behind, order=figures(-20, -2), random=figures(-10, -1)))
    assert "raises the log-probability by 2.0; 3 lines at random by 1.0." in said
    said = describe_trust(replace(ROW, n_sources=2, order=figures(-20, -2)))
    assert said.startswith(
        "taking away the strongest line raises the log-probability by 2.0; the nearest line lowers it by 2.0, a line at"
        " random lowers it by 0.84. "
    )


def test_of_few_sources_the_strongest_is_taken_and_chance_can_not_be_told() -> None:
    few = replace(ROW, n_sources=3, order=figures(-20, 4, drop_3=9.0), random=figures(-10, -2, drop_3=9.0))
    few = replace(few, nearest=figures(-15, -3, drop_3=9.0), last_line=figures(-15, -3, drop_3=9.0))
    assert describe_trust(few) == (
        "taking away the strongest line lowers the log-probability by 4.0; a line at random raises it by 2.0. "
        "The order beats 19 of 20 random orders, but 3 lines are too few to tell an order from chance. "
        "With a little noise the order hardly changes (rank correlation 0.98)."
    )
    assert "the 3 strongest" in describe_trust(replace(ROW, n_sources=4))


def test_a_simple_rule_that_does_better_is_quoted_for_the_same_figure_and_named() -> None:
    """A real case: random orders lose by far, and the nearest lines win by what is quoted and by their first line."""
    real = replace(
        ROW,
        n_sources=29,
        order=figures(-76.1, 22.2, drop_1=6.3),
        random=figures(-55.9, 4.6, drop_1=1.4),
        nearest=figures(-58.8, 22.9, drop_1=22.7),
        last_line=figures(-50, 20.0, drop_1=3.0),
        n_beaten=20,
    )
    assert describe_trust(real) == (
        "taking away the 3 strongest lines lowers the log-probability by 22.2; the 3 nearest lines by 22.9, "
        "3 lines at random by 4.6. The strongest line alone lowers it by 6.3; the nearest line by 22.7,"
        " a line at random by 1.4. The order beats 20 of 20 random orders. Simply the 3 nearest lines would do better. "
        "With a little noise the order hardly changes (rank correlation 0.98)."
    )


@pytest.mark.parametrize(
    ("nearest", "last_line", "says"),
    [
        (figures(-19.9, 5), figures(-14, 1), ""),
        (figures(-20, 5.2), figures(-14, 1), " Simply the nearest words first would do as well."),
        (figures(-20.1, 5.3), figures(-14, 1), " Simply the nearest words first would do better."),
        (figures(-19, 5.3), figures(-14, 1), " Simply the 3 nearest words would do better."),
        (figures(-20, 1), figures(-14, 1), " Over the whole order, simply the nearest words first would do as well."),
        (
            figures(-21, 5.2),
            figures(-14, 1),
            " Simply the 3 nearest words would do as well."
            " Over the whole order, simply the nearest words first would do better.",
        ),
        (figures(-15, 2), figures(-21, 6), " Simply the prompt's last line first would do better."),
        (figures(-15, 2), figures(-14, 6), " Simply 3 words, the prompt's last line first, would do better."),
    ],
)
def test_a_simple_rule_that_does_as_well_or_better_is_said(
    nearest: OrderFigures, last_line: OrderFigures, says: str
) -> None:
    said = describe_trust(replace(ROW, by="word", nearest=nearest, last_line=last_line))
    assert f"of 20 random orders.{says} With a little" in said


@pytest.mark.parametrize(
    ("nearest", "last_line", "beaten"),
    [
        (figures(-20, 5.2), figures(-14, 1), False),
        (figures(-20.1, 5), figures(-14, 1), True),
        (figures(-15, 5.3), figures(-14, 1), True),
        (figures(-15, 2), figures(-14, 1, drop_1=6), True),
        (figures(-15, 2), figures(-14, 1, drop_5=9), False),
    ],
)
def test_a_rule_beats_a_method_by_any_figure_that_is_said(
    nearest: OrderFigures, last_line: OrderFigures, beaten: bool
) -> None:
    assert is_beaten_by_rule(replace(ROW, nearest=nearest, last_line=last_line)) is beaten


def test_of_few_sources_a_rule_that_does_as_well_is_nothing_to_say_but_a_better_one_is() -> None:
    few = replace(ROW, n_sources=2, nearest=figures(-20, 5.2), last_line=figures(-20, 5.2))
    assert "would do" not in describe_trust(few)
    assert "Simply the nearest line would do better." in describe_trust(replace(few, nearest=figures(-19, 6)))


def test_rivals_are_named() -> None:
    names = [
        name_rival(rival, unit, k) for rival in ("nearest", "last_line") for unit in ("line", "word") for k in (1, 3)
    ]
    assert names == [
        "the nearest line",
        "the 3 nearest lines",
        "the nearest word",
        "the 3 nearest words",
        "the prompt's last line",
        "the prompt's last line and the first 2",
        "the last word of the prompt's last line",
        "3 words, the prompt's last line first,",
    ]


def test_where_sources_hardly_matter_it_is_said() -> None:
    little = "All lines together change it by less than 0.1: there is little to explain."
    assert little in describe_trust(replace(ROW, empty_log_prob=-0.59))
    assert little in describe_trust(replace(ROW, empty_log_prob=-0.41))
    assert little not in describe_trust(replace(ROW, empty_log_prob=-0.61))


def test_parts_by_a_pattern_are_parts() -> None:
    assert describe_trust(replace(ROW, by="regex:^S")).startswith("taking away the 3 strongest parts lowers")


def test_targets_are_named() -> None:
    assert name_target(ROW) == "the whole completion"
    assert (
        name_target(replace(ROW, target="egg", target_text=" No\negg." * 9))
        == "“No↵egg. No↵egg. No↵egg. No↵egg. No↵egg.…”"
    )


def test_a_row_comes_back() -> None:
    row = replace(ROW, n_sources=4, order=figures(-20, 4, drop_5=None), agreement=None).to_row()
    assert (row["deletion"], row["random_deletion"], row["nearest_drop_1"], row["last_line_drop_3"]) == (-20, -10, 2, 1)
    assert PromptEvaluation.from_row(row | {"more": 1}) == replace(
        ROW, n_sources=4, order=figures(-20, 4, drop_5=None), agreement=None
    )


def test_means_are_over_the_prompts_that_have_a_figure_and_gains_within_each() -> None:
    rows = [
        replace(ROW, id="a", order=figures(-20, 6, drop_5=None), random=figures(-10, 2, drop_5=None), n_beaten=20),
        replace(ROW, id="b", order=figures(-10, 2), random=figures(-9, 1), n_beaten=10, noise_correlation=None),
        replace(ROW, id="a", method="occlusion", noise_correlation=None),
    ]
    gradient, occlusion = summarize_methods(rows)
    assert (gradient.method, gradient.n_prompts, occlusion.method, occlusion.n_prompts) == (
        "grad_l2",
        2,
        "occlusion",
        1,
    )
    found = {figure.name: figure for figure in gradient.figures}
    deletion = found["deletion"]
    assert (deletion.own.mean, deletion.own.low, deletion.own.high) == (
        -15,
        -20,
        -10,
    )  # of two, the ends are drawn often
    assert (deletion.random, deletion.nearest, deletion.last_line) == (-9.5, -15, -14)
    assert (deletion.gain.mean, deletion.gain.low, deletion.gain.high) == (-5.5, -10, -1)
    assert (found["drop_3"].gain.mean, found["drop_5"].n_prompts, found["drop_5"].own.mean) == (2.5, 1, 2)
    assert found["drop_5"].own.low is None
    assert (gradient.beaten.mean, gradient.n_random) == (15, 20)
    assert gradient.noise is not None
    assert gradient.noise.mean == 0.984
    assert occlusion.noise is None
