"""Methods are judged on the parts that were taken away, by each way, in the direction that their scores have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from promptlight.salience.errors import UsageError
from promptlight.salience.explain.explanation import Question, explain_target
from promptlight.salience.regeneration.judging import Judged, Judgement, judge_method
from promptlight.salience.regeneration.judging_summary import compare_ways, compare_with_rival, summarize_judgements
from promptlight.salience.regeneration.precision import Precision, judge_scores
from promptlight.salience.types import Analysis, Foil, Method, Objective, Pooling, Way
from tests.support.causes import make_causes
from tests.support.handmade import make_analysis, make_completion

PROMPT = ["<bos>", "One", " two", "\n", "Three", " four", "\n", "Five", "\n", "Six", " seven", "\n"]
LINES = [(1, 4), (4, 7), (7, 9), (9, 12)]
WRITTEN = ["Eight", "\n", "Nine", " ten"]
LAST = slice(2, 4)  # its rows
QUESTION = Question(target="-1")


def make(method: Method = Method.GRAD_L2, seed: int = 0, written: Sequence[str] = WRITTEN) -> Analysis:
    """Four lines read, two lines written, with scores of tokens alone."""
    return make_analysis(make_completion(PROMPT, written), method=method, seed=seed, exact=())


def precision(scores: Sequence[float], causes: Sequence[int]) -> float:
    order = sorted(range(len(scores)), key=lambda place: -scores[place])
    ranks = sorted(order.index(cause) for cause in causes)
    return float(sum(Fraction(number + 1, rank + 1) for number, rank in enumerate(ranks)) / len(ranks))


def change(analysis: Analysis, **changes: object) -> Analysis:
    maps = {method: replace(one, **changes) for method, one in analysis.maps.items()}  # pyright: ignore
    return replace(analysis, maps=maps)


@pytest.mark.parametrize("method", [Method.GRAD_L2, Method.GRAD_DOT_INPUT])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("causes", [[0], [1, 3], [0, 2, 3]])
def test_a_part_is_ranked_by_what_its_tokens_add_up_to(method: Method, seed: int, causes: list[int]) -> None:
    analysis = make(method, seed)
    table = analysis.maps[method].scores
    assert table is not None
    sums = [float(table[LAST, start:stop].sum()) for start, stop in LINES]
    found = judge_method(analysis, QUESTION, make_causes([place in causes for place in range(4)]))
    assert found.own.average == pytest.approx(precision(sums, causes))
    top = int(np.argmax(sums))
    assert (found.own.first, found.top_line) == (float(top in causes), top + 1)
    assert (found.n_parts, found.n_causes, found.way) == (4, len(causes), Way.DIRECT)
    assert found.nearest.average == pytest.approx(precision([1, 2, 3, 4], causes))
    assert found.last_line.average == pytest.approx(precision([3, 2, 1, 4], causes))
    assert found.random.first == pytest.approx(len(causes) / 4)


@pytest.mark.parametrize("way", [Way.THROUGH, Way.ALL])
def test_other_ways_are_ranked_by_the_shares_that_came_by_them(way: Way) -> None:
    orders: set[tuple[int, ...]] = set()
    for seed in range(6):
        analysis = make(Method.GRAD_DOT_INPUT, seed)
        question = replace(QUESTION, way=way)
        shares = explain_target(analysis, question).scores[1:5]
        found = judge_method(analysis, question, make_causes([True, False, False, True]))
        assert found.own == judge_scores(shares, [True, False, False, True])  # some shares are zero alike
        orders.add(tuple(np.argsort(-shares)))
    assert len(orders) > 1


def test_only_the_parts_that_were_taken_away_are_ranked() -> None:
    causes = make_causes([True, False], first=2)
    for seed in range(6):
        analysis = make(seed=seed)
        table = analysis.maps[Method.GRAD_L2].scores
        assert table is not None
        sums = [float(table[LAST, start:stop].sum()) for start, stop in LINES[1:3]]
        assert judge_method(analysis, QUESTION, causes).own.first == float(sums[0] > sums[1])


def test_of_the_last_line_the_last_part_comes_first_and_of_the_others_the_first() -> None:
    made = make_causes([False] * 4)
    lines = (1, 2, 3, 3)
    for cause, rank in ((3, 1), (2, 2), (0, 3), (1, 4)):
        parts = [
            replace(part, line=line, changed=part.number == 1 + cause)
            for part, line in zip(made.parts, lines, strict=True)
        ]
        found = judge_method(make(), QUESTION, replace(made, parts=parts))
        assert found.last_line.average == pytest.approx(1 / rank)


def test_a_loss_is_read_the_other_way_round() -> None:
    analysis, causes = make(Method.GRAD_DOT_INPUT, 3), make_causes([True, False, False, False])
    loss = change(analysis, objective=Objective.LOSS)
    table = loss.maps[Method.GRAD_DOT_INPUT].scores
    assert table is not None
    sums = [-float(table[LAST, start:stop].sum()) for start, stop in LINES]
    assert judge_method(loss, QUESTION, causes).own.average == pytest.approx(precision(sums, [0]))
    assert judge_method(loss, QUESTION, causes).top_line != judge_method(analysis, QUESTION, causes).top_line


def test_what_has_no_direction_is_refused() -> None:
    causes = make_causes([True, False, False, False])
    with pytest.raises(UsageError, match="entropy"):
        judge_method(change(make(), objective=Objective.ENTROPY), QUESTION, causes)
    with pytest.raises(UsageError, match="foil"):
        judge_method(replace(make(), foil=Foil(request="a", tokens=(None,) * 4)), QUESTION, causes)


# Over prompts


def test_a_way_that_a_prompt_does_not_have_costs_it_nothing_else() -> None:
    judged, causes = Judged(), make_causes([True, False, False, False])
    judged.add(make(), QUESTION, causes)
    judged.add(make(written=WRITTEN[:1]), QUESTION, replace(causes, id="short"))
    assert [(row.id, row.way) for row in judged.rows] == [
        *(("by-hand", way) for way in (Way.DIRECT, Way.THROUGH, Way.ALL)),
        ("short", Way.DIRECT),
    ]
    assert judged.refused == {("grad_l2", Way.THROUGH): 1}
    assert "words of the model before it" in str(judged.refusal)
    alone, own = summarize_judgements(judged.rows)
    assert (alone.n_prompts, alone.has_own_words, own.n_prompts, own.has_own_words) == (2, False, 1, True)
    assert [order.way for order in alone.orders] == [Way.DIRECT, None, None, None]
    assert [order.way for order in own.orders] == [Way.DIRECT, Way.THROUGH, Way.ALL, None, None, None]


def test_scores_that_can_be_judged_one_way_only_are_judged_that_way() -> None:
    judged = Judged()
    judged.add(make(), replace(QUESTION, pooling=Pooling.MAX), make_causes([True, False, False, False]))
    assert [row.way for row in judged.rows] == [Way.DIRECT]
    assert "only sums can be passed on" in str(judged.refusal)


@pytest.mark.parametrize("changed", [[False] * 4, [True] * 4])
def test_without_a_cause_or_with_causes_alone_no_order_is_judged(changed: list[bool]) -> None:
    judged = Judged()
    judged.add(make(), QUESTION, make_causes(changed))
    assert (len(judged.causes), judged.rows, judged.refusal) == (1, [], None)


def rows(*averages: tuple[float, float, float]) -> list[Judgement]:
    """Prompts with these average precisions directly, through own words, and by chance."""
    judged = Judged()
    judged.add(make(), QUESTION, make_causes([True, False, False, False]))
    direct, through, _ = judged.rows
    return [
        replace(row, id=str(number), own=one, random=Precision(first=0.25, average=chance))
        for number, (own, other, chance) in enumerate(averages)
        for row, one in (
            (direct, Precision(first=float(own > 0.5), average=own)),
            (through, Precision(first=float(other > 0.5), average=other)),
        )
    ]


def test_orders_are_summed_up_over_prompts_and_compared_within_them() -> None:
    found = rows((0.2, 0.4, 0.3), (0.6, 0.9, 0.5), (1.0, 1.0, 0.1))
    (block,) = summarize_judgements(found, seed=1)
    direct, through, chance, *_ = block.orders
    assert (direct.n_prompts, direct.n_first, direct.average.mean) == (3, 2, pytest.approx(0.6))
    assert (through.n_first, through.average.mean) == (2, pytest.approx(2.3 / 3))
    assert (direct.first.low, direct.first.high) == (pytest.approx(0.2077, abs=1e-4), pytest.approx(0.9385, abs=1e-4))
    assert (chance.name, chance.n_first, chance.average.mean) == ("random", pytest.approx(0.75), pytest.approx(0.3))
    ahead = compare_ways(found, Way.THROUGH, Way.DIRECT)
    assert ahead is not None
    assert (ahead.mean, ahead.low, ahead.high) == (pytest.approx(0.5 / 3), pytest.approx(0), pytest.approx(0.3))
    assert compare_ways(found, Way.ALL, Way.DIRECT) is None
    direct_rows = [row for row in found if row.way is Way.DIRECT]
    assert compare_with_rival(direct_rows, "random").mean == pytest.approx((-0.1 + 0.1 + 0.9) / 3)


def test_a_single_prompt_has_no_interval() -> None:
    (block,) = summarize_judgements(rows((0.2, 0.4, 0.3)))
    assert {order.first.low for order in block.orders} | {order.average.low for order in block.orders} == {None}
