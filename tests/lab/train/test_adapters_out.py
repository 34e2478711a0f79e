"""What a run leaves behind opens in mlx-lm and gives the logits the run ended with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlx_lm.utils import load as mlx_lm_load

from lab.models.runtime import mx
from lab.train.settings import LoraParameters
from tests.lab.train.test_loop import run_here
from tests.models import tiny_model

TOKENS = mx.array([[5, 9, 17, 33, 8, 21]])
KEYS = ("self_attn.q_proj", "self_attn.v_proj")


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        ("lora", LoraParameters(rank=4, scale=3.0, dropout=0.1)),
        ("lora", LoraParameters(rank=4, scale=3.0, keys=KEYS)),
        ("dora", LoraParameters(rank=4, scale=3.0, keys=KEYS)),
        ("full", LoraParameters()),
    ],
    ids=["lora", "lora-keys", "dora", "full"],
)
def test_mlx_lm_opens_the_adapter(tmp_path: Path, kind: Any, parameters: LoraParameters) -> None:
    done = run_here(
        tmp_path, fine_tune_type=kind, lora_parameters=parameters, num_layers=1, steps_per_eval=99
    )
    assert done.outcome.best_step == done.outcome.step
    done.run.net.model.eval()
    ours = np.array(done.run.net.model(TOKENS))
    theirs, _ = mlx_lm_load(str(tiny_model("llama")), adapter_path=str(done.folder.adapter))
    theirs.set_dtype(mx.float32)
    theirs.eval()
    np.testing.assert_allclose(np.array(theirs(TOKENS)), ours, atol=1e-5)
    base, _ = mlx_lm_load(str(tiny_model("llama")))
    assert np.abs(np.array(base(TOKENS)) - ours).max() > 1e-2
