"""Plan how many actors fit on a cluster, and the resources of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from promptlight.salience.errors import UsageError

PROCESS_BYTES = 2**30  # memory of a process beside the weights: torch, Keras, and the work itself


@dataclass(frozen=True, kw_only=True)
class Node:
    """A machine of the cluster, with the resources that Ray may use."""

    cpus: float
    gpus: float = 0
    memory: float = 0  # bytes


@dataclass(frozen=True, kw_only=True)
class Pool:
    """The number of actors, and the resources of each."""

    n_actors: int
    n_cpus: int
    n_gpus: float = 0


def choose_gpus(nodes: Sequence[Node], device: str, asked: float | None) -> float:
    """GPUs for each actor. Raises UsageError if they don't fit the device."""
    if asked is None:
        n_gpus = 1.0 if device == "cuda" or (device == "auto" and any(node.gpus for node in nodes)) else 0.0
    else:
        n_gpus = asked
    if n_gpus and device not in ("auto", "cuda"):
        raise UsageError(
            f"{n_gpus:g} GPUs per actor: expected the device auto or cuda, found {device}",
            parameters=("gpus_per_actor", "device"),
        )
    if not n_gpus and device == "cuda":
        raise UsageError(
            "device cuda: expected more than 0 GPUs per actor, found 0", parameters=("gpus_per_actor", "device")
        )
    return n_gpus


def plan_pool(
    nodes: Sequence[Node], n_gpus: float, n_bytes: int, asked: int | None = None, *, can_grow: bool = False
) -> Pool:
    """Choose how many actors, and how many CPUs for each: as many as the GPUs allow, otherwise one for two CPUs.

    Each actor without a GPU keeps a copy of the model, of ``n_bytes``, in its node's memory. Raises UsageError if the
    nodes have no room and the cluster can't grow.
    """
    if n_gpus:
        room, what = sum(int(node.gpus / n_gpus) for node in nodes), f"{n_gpus:g} GPU"
    else:
        room, what = sum(_count_copies(node, n_bytes) for node in nodes), "a CPU and a copy of the model"
    n_needed = asked or 1
    if not can_grow and n_needed > room:
        raise UsageError(
            f"expected room for {n_needed} actor{'s' * (n_needed > 1)} with {what} each, found room for {room}: use "
            "fewer actors, a smaller model or more machines",
            parameters=("actors",),
        )
    if n_gpus:
        return Pool(n_actors=asked or max(1, room), n_cpus=1, n_gpus=n_gpus)
    n_pairs = sum(int(node.cpus // 2) for node in nodes)
    n_actors = asked or max(1, min(n_pairs, room))
    return Pool(n_actors=n_actors, n_cpus=share_cpus([node.cpus for node in nodes], n_actors))


def share_cpus(cpus: Sequence[float], n_actors: int) -> int:
    """The most CPUs that each actor can have if none spans two nodes; at least 1.

    Nodes of 8 and 4 CPUs, 3 actors: 4, as there is room for 2 + 1. Two actors: 4 again, as 8 has no room for both.
    """
    most = int(max(cpus, default=1))
    fitting = (share for share in range(most, 1, -1) if sum(int(n // share) for n in cpus) >= n_actors)
    return next(fitting, 1)


def _count_copies(node: Node, n_bytes: int) -> int:
    """Actors without a GPU that a node has room for."""
    return min(int(node.cpus), int(node.memory // (n_bytes + PROCESS_BYTES)))
