"""Batches come back in order and once, in whatever order actors answer and whichever die. Without Ray's processes."""

# pyright: standard

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

import pytest
from ray.exceptions import ActorUnavailableError, RayActorError

from promptlight.salience.errors import InputError, ModelError
from promptlight.salience.run.cluster import dispatch
from promptlight.salience.run.cluster.dispatch import AHEAD_PER_ACTOR, MOST_DEATHS, PER_ACTOR, Batch, Dispatch


class Cluster:
    """Answers in a random order, and with errors as planned."""

    def __init__(self, seed: int = 0, deadly: Sequence[bytes] = (), p_death: float = 0.0, fails: bool = False) -> None:
        self.p_away = 0.5 if p_death else 0.0
        self.random, self.deadly, self.p_death, self.fails = Random(seed), set(deadly), p_death, fails
        self.answers: dict[int, Any] = {}
        self.n_loads, self.n_explained = 0, 0

    def ask(self, answer: Any) -> int:
        self.answers[len(self.answers)] = answer
        return len(self.answers) - 1

    def wait(self, references: list[int], num_returns: int, timeout: float | None) -> tuple[list[int], list[int]]:
        assert num_returns == 1
        chosen = self.random.choice(references)
        return [chosen], [one for one in references if one != chosen]

    def get(self, reference: int) -> Any:
        answer = self.answers[reference]
        return answer() if callable(answer) else answer


class Actor:
    """What is asked of it is answered in order; once it has died, all that it had fails."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster, self._life = cluster, 0
        self.load, self.explain = Loader(cluster), self

    def remote(self, batch: Batch) -> int:
        life = self._life

        def explain() -> list[bytes]:
            cluster = self._cluster
            if life != self._life or batch[0] in cluster.deadly or cluster.random.random() < cluster.p_death:
                self._life = life + 1
                raise RayActorError
            cluster.n_explained += 1
            return [prompt.upper() for prompt in batch]

        return self._cluster.ask(explain)


class Loader:
    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def remote(self) -> int:
        self._cluster.n_loads += 1

        def load() -> None:
            if self._cluster.fails:
                raise ModelError("another model")
            if self._cluster.random.random() < self._cluster.p_away:
                raise ActorUnavailableError("it is starting again", None)

        return self._cluster.ask(load)


def make_batches(n_batches: int) -> list[Batch]:
    return [[f"b{number}-{place}".encode() for place in range(2)] for number in range(n_batches)]


def collect(
    monkeypatch: pytest.MonkeyPatch, cluster: Cluster, batches: Iterator[Batch], n_actors: int = 3
) -> Iterator[tuple[Batch, Any]]:
    monkeypatch.setattr(dispatch, "ray", cluster)
    monkeypatch.setattr(dispatch, "REST", 0)
    return Dispatch([Actor(cluster) for _ in range(n_actors)], batches).collect()


@pytest.mark.parametrize("p_death", [0.0, 0.2])
def test_results_come_once_and_in_order(monkeypatch: pytest.MonkeyPatch, p_death: float) -> None:
    for seed in range(30):
        cluster = Cluster(seed, p_death=p_death)
        found = list(collect(monkeypatch, cluster, iter(make_batches(25))))
        assert [batch for batch, _ in found] == make_batches(25)
        explained = [(batch, results) for batch, results in found if results is not None]
        assert all(results == [prompt.upper() for prompt in batch] for batch, results in explained)
        assert len(explained) == 25 or p_death  # one may have been hit three times
        if not p_death:
            assert (cluster.n_loads, cluster.n_explained) == (3, 25)  # each actor loads its model once


def test_a_deadly_batch_comes_back_alone_without_results(monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(20):
        cluster = Cluster(seed, deadly=[b"b4-0"])
        found = list(collect(monkeypatch, cluster, iter(make_batches(9))))
        assert [batch for batch, _ in found] == make_batches(9)
        assert [number for number, (_, results) in enumerate(found) if results is None] == [4]
        assert 3 + MOST_DEATHS - 1 <= cluster.n_loads <= 3 + MOST_DEATHS


def test_no_more_is_read_than_actors_need(monkeypatch: pytest.MonkeyPatch) -> None:
    n_read = 0

    def read() -> Iterator[Batch]:
        nonlocal n_read
        for batch in make_batches(1000):
            n_read += 1
            yield batch

    found = collect(monkeypatch, Cluster(), read())
    for n_due in range(1, 500):
        next(found)
        assert n_read <= n_due + AHEAD_PER_ACTOR * 3
    assert PER_ACTOR < AHEAD_PER_ACTOR


def test_an_error_of_the_batches_comes_after_all_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Iterator[Batch]:
        yield from make_batches(5)
        raise InputError("prompts.jsonl", 11, "planted")

    found: list[Batch] = []

    def take_all() -> None:
        found.extend(batch for batch, _ in collect(monkeypatch, Cluster(), fail()))

    with pytest.raises(InputError, match="planted"):
        take_all()
    assert found == make_batches(5)


def test_an_error_of_loading_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match="another model"):
        list(collect(monkeypatch, Cluster(fails=True), iter(make_batches(5))))
