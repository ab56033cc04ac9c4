"""Choose where to load a model, and in which precision.

Does not know: presets.
"""

from __future__ import annotations

import torch

from promptlight.salience.decoder.free_memory import free_bytes
from promptlight.salience.errors import ModelError
from promptlight.salience.loading.model_size import Room

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float64": torch.float64}


def choose_device(device: str) -> torch.device:
    """The torch device for a name, or the best one for ``auto``. Raises ModelError."""
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        return torch.device("cuda" if available["cuda"] else "cpu")
    if device not in available:
        raise ModelError(f"expected a device auto, cpu, cuda or mps, found {device!r}")
    if not available[device]:
        usable = ", ".join(name for name, there in available.items() if there)
        raise ModelError(f"device {device}: not available here; use one of: {usable}", parameters=("device",))
    return torch.device(device)


def choose_dtype(dtype: str, device: torch.device) -> torch.dtype:
    """The torch dtype for a name, or the device's usual one for ``auto``. Raises ModelError."""
    if dtype == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    if dtype not in DTYPES:
        raise ModelError(f"expected a dtype auto, {', '.join(DTYPES)}, found {dtype!r}")
    return DTYPES[dtype]


def measure_room(device: torch.device, dtype: torch.dtype, *, quantised: bool) -> Room:
    """Measure the free memory of the device for the model."""
    on_gpu = device.type == "cuda"
    return Room(
        device=f"CUDA ({torch.cuda.get_device_name(device)})" if on_gpu else device.type.upper(),
        dtype=str(dtype).removeprefix("torch."),
        weight_bytes=dtype.itemsize,
        free=free_bytes(device),
        free_on_cpu=free_bytes(torch.device("cpu")) if on_gpu else None,
        quantised=quantised,
    )
