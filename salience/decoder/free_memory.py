"""Measure the free memory of a device and that of this process, and return freed memory to the system."""

from __future__ import annotations

import ctypes
import gc
import resource
import sys
from pathlib import Path

import psutil
import torch


def free_bytes(device: torch.device) -> int:
    """Memory that is free now on a device; on a CPU, at most what the container's limit leaves."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return min([psutil.virtual_memory().available, *container_bytes()])


def container_bytes(root: Path = Path("/sys/fs/cgroup")) -> list[int]:
    """Bytes that the control group's limit leaves, if there is one; psutil only knows the whole machine.

    The page cache counts as used there, but is freed on demand.
    """
    try:
        limit = int((root / "memory.max").read_text(encoding="ascii"))  # "max" if there is no limit
        used = int((root / "memory.current").read_text(encoding="ascii"))
        counts = dict(line.split() for line in (root / "memory.stat").read_text(encoding="ascii").splitlines())
        return [max(0, limit - used + int(counts["inactive_file"]))]
    except (OSError, ValueError, KeyError):
        return []


def resident_bytes() -> tuple[int, int]:
    """Memory that this process holds now, and the most that it has held so far."""
    now = psutil.Process().memory_info().rss
    return now, max(now, _peak_bytes())


def _peak_bytes() -> int:
    """Linux's own count, as ``ru_maxrss`` begins there with the peak of the process that started this one."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):  # macOS counts bytes, and this process alone
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def return_freed_memory() -> None:
    """Return unused memory to the system; glibc would keep it for this process."""
    gc.collect()  # frees reference cycles
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)
