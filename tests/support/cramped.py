"""A device of limited size: torch's operations run out of memory when the live tensors that they made exceed it."""

# pyright: standard

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Cramped(TorchDispatchMode):
    """``with Cramped(10_000):`` raises torch.OutOfMemoryError if more than 10,000 bytes of tensors would live.

    Earlier tensors do not count. ``peak`` is the largest size that lived, ``n_refused`` how often memory ran out.
    """

    def __init__(self, n_bytes: float = float("inf")) -> None:
        super().__init__()
        self.n_bytes = n_bytes
        self.peak = 0
        self.n_refused = 0
        self._total = 0
        self._live: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Sequence[Any], args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        given: Mapping[str, Any] = kwargs or {}
        known = {storage_of(one) for one in tree_leaves((args, given)) if isinstance(one, torch.Tensor)}
        made = func(*args, **given)
        for tensor in tree_leaves(made):
            if isinstance(tensor, torch.Tensor) and storage_of(tensor) not in known:  # no view, not in place
                storage = tensor.untyped_storage()
                self._live[storage_of(tensor)] = (StorageWeakRef(storage), storage.nbytes())
                self._total += storage.nbytes()
        if self._total > min(self.peak, self.n_bytes):  # the total may include freed tensors: count again
            self._live = {key: entry for key, entry in self._live.items() if not entry[0].expired()}
            self._total = sum(size for _, size in self._live.values())
        if self._total > self.n_bytes:
            self.n_refused += 1
            raise torch.OutOfMemoryError(f"planted: {self._total:,} bytes of {self.n_bytes:,}")
        self.peak = max(self.peak, self._total)
        return made


def storage_of(tensor: torch.Tensor) -> int:
    """A key that two tensors on the same memory share."""
    return tensor.untyped_storage()._cdata
