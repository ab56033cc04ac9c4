"""Settings that every test shares."""

from __future__ import annotations

import os

from hypothesis import settings

os.environ["KERAS_BACKEND"] = "torch"  # read when keras is first imported, so set before any test module is

settings.register_profile("promptlight", derandomize=True, deadline=None, max_examples=50)
settings.load_profile("promptlight")
