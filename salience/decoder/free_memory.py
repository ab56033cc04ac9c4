"""How much memory is free on a device, and giving back what was freed."""

from __future__ import annotations

import ctypes
import gc
import sys
from pathlib import Path

import psutil
import torch


def free_bytes(device: torch.device) -> int:
    """Memory that is free now on a device; on a CPU no more than the container's limit leaves."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return min([psutil.virtual_memory().available, *container_bytes()])


def container_bytes(root: Path = Path("/sys/fs/cgroup")) -> list[int]:
    """What the control group's limit leaves, if there is one; psutil knows the whole machine only.

    Files that were read count as used there, but go when memory is asked for.
    """
    try:
        limit = int((root / "memory.max").read_text(encoding="ascii"))  # "max" where there is none
        used = int((root / "memory.current").read_text(encoding="ascii"))
        counts = dict(line.split() for line in (root / "memory.stat").read_text(encoding="ascii").splitlines())
        return [max(0, limit - used + int(counts["inactive_file"]))]
    except (OSError, ValueError, KeyError):
        return []


def return_freed_memory() -> None:
    """Give memory that nothing holds any more back to the system; glibc would keep it for this process."""
    gc.collect()  # what holds itself in a circle, too
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)
