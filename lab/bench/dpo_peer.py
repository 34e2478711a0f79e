"""mlx-lm-lora's DPO, a pass at a time: run as a script by the Python of an environment that has it.

It shares no code with the lab, whose package that environment lacks. The loop, losses, masks, compiled step
and second reference model are the peer's own (`train_dpo`). Two things are put right for it: on a Linux CPU
it asks for a device figure that is not there, and its batches are drawn with replacement, so that no two
passes would be the same work; here every pass goes over all of them. The plan is the first argument, as JSON;
then each line on stdin asks for a pass, and each answer is a line of JSON on stdout.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def main() -> None:
    plan = json.loads(sys.argv[1])
    if plan["blas"]:
        ctypes.CDLL(plan["blas"], mode=ctypes.RTLD_GLOBAL)

    import mlx.core as mx
    import mlx.optimizers as optim
    from mlx_lm.tuner.utils import linear_to_lora_layers
    from mlx_lm.utils import load
    from mlx_lm_lora.trainer import dpo_trainer
    from mlx_lm_lora.trainer.datasets import DPODataset

    answers = sys.stdout
    if "max_recommended_working_set_size" not in mx.device_info():
        told = {**mx.device_info(), "max_recommended_working_set_size": 0}
        patched: Any = mx
        patched.device_info = lambda *_: told
        patched.set_wired_limit = lambda *_: 0

    model, tokenizer = load(plan["model"])[:2]
    reference, _ = load(plan["model"])[:2]
    if mx.default_device().type == mx.DeviceType.cpu:
        model.set_dtype(mx.float32)
        reference.set_dtype(mx.float32)
    reference.freeze()
    mx.random.seed(0)
    model.freeze()
    linear_to_lora_layers(model, len(model.layers), plan["lora"])
    rows = [json.loads(line) for line in Path(plan["data"]).read_text(encoding="utf-8").splitlines()]
    dataset = DPODataset(rows, _Templates(tokenizer))
    batches = list(dpo_trainer.iterate_dpo_batches(dataset, plan["batch_size"], plan["max_seq_length"]))
    turns = _turns(batches, answers, mx)
    # The trainer makes an iterator for every step and takes its first batch.
    dpo_trainer.iterate_dpo_batches = lambda *_, **__: iter([next(turns)])

    arguments = dpo_trainer.DPOTrainingArgs(
        batch_size=plan["batch_size"],
        iters=1_000_000,
        steps_per_report=1_000_000,
        steps_per_save=1_000_000,
        max_seq_length=plan["max_seq_length"],
        beta=plan["beta"],
    )
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        arguments.adapter_file = str(Path(folder) / "adapters.safetensors")
        optimizer = optim.AdamW(learning_rate=plan["learning_rate"], weight_decay=0.0)
        with contextlib.suppress(_Over), contextlib.redirect_stderr(io.StringIO()):
            dpo_trainer.train_dpo(model, reference, optimizer, dataset, args=arguments)


class _Over(Exception):  # noqa: N818 - the end, no error
    """Nobody asks for a further pass."""


class _Templates:
    """The tokenizer, whose templates give tokens and not a mapping as newer transformers do by themselves."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def apply_chat_template(self, messages: Any, **options: Any) -> Any:
        return self._tokenizer.apply_chat_template(messages, return_dict=False, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)


def _turns(batches: list[Any], answers: Any, mx: Any) -> Iterator[Any]:
    """All batches for each line that comes in; a pass is over when the next batch is asked for."""
    print(json.dumps({"batches": len(batches)}), file=answers, flush=True)
    for _ in sys.stdin:
        began_s, cpu_began_s = time.perf_counter(), time.process_time()
        yield from batches
        told = {
            "wall_s": time.perf_counter() - began_s,
            "cpu_s": time.process_time() - cpu_began_s,
            "peak_bytes": mx.get_peak_memory(),
        }
        print(json.dumps(told), file=answers, flush=True)
    raise _Over


if __name__ == "__main__":
    main()
