"""What a signal does when all is over; tests/io/results/test_survival.py sends them at any moment."""

# pyright: standard

from __future__ import annotations

import os
import signal

import pytest

from promptlight.cli.work import signals
from promptlight.cli.work.signals import ending_in_order
from promptlight.cli.work.tally import Tally
from promptlight.salience.errors import StoppedError


def test_a_signal_after_the_cleanup_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    describe = signals._describe_stop

    def describe_late(received: list[int], tally: Tally) -> str:
        os.kill(os.getpid(), signal.SIGTERM)
        return describe(received, tally)

    monkeypatch.setattr(signals, "_describe_stop", describe_late)
    with (
        pytest.raises(StoppedError, match="stopped by SIGTERM after 0 of 1 prompts, what was computed is kept"),
        ending_in_order(Tally(total=1)),
    ):
        os.kill(os.getpid(), signal.SIGTERM)
