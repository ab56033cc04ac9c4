"""What ``doctor`` looks at: memory for models, an idle GPU."""

from __future__ import annotations

import pytest

from promptlight.cli.work.checks import Machine, check_device, find_fits
from promptlight.salience.loading.model_size import GIB

SMALL = Machine(device="CPU (1 cores)", total=4 * GIB, free=3 * GIB, dtype="float32", weight_bytes=4, on_cpu=True)


def test_a_model_fits_if_its_weights_and_room_to_load_and_work_do() -> None:
    fits = {fit.model: fit for fit in find_fits(SMALL)}
    assert fits["gemma3_instruct_270m"].needed == 268_000_000 * 4 + 2 * GIB
    assert [fit.model for fit in fits.values() if fit.fits] == ["gemma3_instruct_270m"]
    assert fits["gemma2_instruct_2b_en"].needed == 2_614_000_000 * 4 + 2 * 4 * 256_000 * 2304
    on_gpu = Machine(device="CUDA (x)", total=24 * GIB, free=20 * GIB, dtype="bfloat16", weight_bytes=2, on_cpu=False)
    fitting = [fit.model for fit in find_fits(on_gpu) if fit.fits]
    assert fitting[-1] == "gemma2_instruct_9b_en"


def test_an_idle_gpu_is_pointed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_device(SMALL).fix is None
    monkeypatch.setattr("shutil.which", "/usr/bin/{}".format)
    assert "built without CUDA" in str(check_device(SMALL).fix)
