"""Runs for tests of the Train screen: written as a training process writes them, without training."""

from __future__ import annotations

import math
import os
import random
import socket
import time
from typing import Any

from lab.train.folder import Heartbeat, RunState, create_run
from lab.train.runlog import RunLog, Said
from lab.train.settings import TrainSettings, as_mapping
from store.home import Home
from store.ids import new_id, utc_now
from store.journal import Journal
from store.records import GenerationRecord, RunRecord, Trace

MODEL_ID = "a" * 64
ALIVE_FOR_S = 600.0
PROBES = ("P01_IDENTITY", "P02_RIVER")


class MadeRun:
    """One run of a process that is this one: its folder, its journal, its heartbeat."""

    def __init__(self, home: Home, name: str = "lantern", planned: int = 400, **settings: Any) -> None:
        self.planned, self.step = planned, 0
        self.settings = TrainSettings(data=str(home.path), name=name, **settings)
        self.folder = create_run(home, as_mapping(self.settings))
        self.journal = Journal.open(home, "trainer")
        self.folder.add_process(self.journal.path)
        self.log = RunLog(self.id, self.journal, Said())
        self._chance = random.Random(name)
        self.loss, self.rewards, self.alarm = "dpo (beta 0.1)", "rewards", ""
        self.log.run(
            RunRecord(
                id=self.id,
                name=name,
                model_id=MODEL_ID,
                objective=self.settings.objective,
                fine_tune_type="lora",
                settings=as_mapping(self.settings),
                data_sha256="b" * 64,
                train_examples=800,
                valid_examples=80,
                trainable_parameters=12_288,
                planned_steps=planned,
                folder=str(self.folder.path),
                at=utc_now(),
            )
        )
        self.log.event(0, "started", "started on 800 examples")

    @property
    def id(self) -> str:
        return self.folder.run_id

    def beat(self, state: RunState = "training", *, silent_s: float = 0.0, words: str = "") -> None:
        """Say that it lives while a test lasts; or last did `silent_s` seconds ago, on another host."""
        host = socket.gethostname() if not silent_s else "elsewhere"
        self.folder.write_heartbeat(
            Heartbeat(
                pid=os.getpid(),
                host=host,
                state=state,
                step=self.step,
                planned_steps=self.planned,
                at_s=time.time() - silent_s if silent_s else time.time() + ALIVE_FOR_S,
                words=words,
            )
        )

    def train(self, steps: int, *, scu: bool = False, preference: bool = False, every: int = 20) -> None:
        """Further steps with figures such as a run has; held-out, controller and probes among them."""
        for _ in range(steps):
            self.step += 1
            words = {"loss": self.loss, "alarm": self.alarm} if preference else None
            self.log.metric(self.step, "train", self._train_values(preference), words)
            if scu and self.step % 5 == 0:
                self._controller()
            if self.step % every == 0:
                loss = self._loss() + 0.11
                values = {"loss_nats": loss, "perplexity": math.exp(loss), "tokens": 900.0, "best": 1.0}
                self.log.metric(self.step, "valid", values)
                self._probes()

    def _loss(self) -> float:
        return 1.1 + 1.9 * math.exp(-self.step / (0.18 * self.planned))

    def _train_values(self, preference: bool) -> dict[str, float | None]:
        done = self.step / self.planned
        values: dict[str, float | None] = {
            "loss_nats": self._loss() + self._chance.gauss(0, 0.09),
            "learning_rate": 2e-4 * min(1.0, self.step / 40) * 0.5 * (1 + math.cos(math.pi * done)),
            "tokens": 1800.0,
            "tokens_per_second": 5200 + self._chance.gauss(0, 250),
            "step_ms": 340.0,
            "grad_norm": abs(self._chance.gauss(0.8, 0.2)),
            "peak_memory_bytes": 412_000_000.0 + 1e5 * self.step,
        }
        if preference:
            chosen = -0.4 * done + self._chance.gauss(0, 0.05)
            margin = 1.4 * done + self._chance.gauss(0, 0.1)
            values |= {
                f"{self.rewards}/chosen": chosen,
                f"{self.rewards}/rejected": chosen - margin,
                f"{self.rewards}/margins": margin,
                "rewards/accuracies": min(1.0, 0.5 + 0.5 * done),
                "log_ratio/chosen": 10.0 * chosen,
                "log_ratio/rejected": 10.0 * (chosen - margin),
                "chosen_below_reference": min(1.0, 0.5 + done),
            }
        return values

    def _controller(self) -> None:
        share = 0.03 + 0.009 * math.exp(-self.step / 60) * math.cos(self.step / 25)
        u = 6.0 + 2.5 * (1 - math.exp(-self.step / 80)) + 0.3 * math.sin(self.step / 20)
        values = {
            "s": share,
            "s_hat": share - 0.0002,
            "target": 0.03,
            "floor": 0.0229,
            "u_raw": u + 0.9 * math.sin(self.step / 7),
            "u": u,
            "lambda": math.exp(u),
        }
        reason = f"Ŝ is {100 * (share / 0.03 - 1):+.1f} % off the target: λ moves against it"
        self.log.metric(self.step, "scu", values, {"state": "tracking", "reason": reason})

    def _probes(self) -> None:
        entropy = 2.1 - 0.5 * self.step / self.planned
        done = self.step / self.planned
        values = {
            "entropy_nats": entropy,
            "base_entropy_nats": 2.1,
            "entropy_change_nats": entropy - 2.1,
            "base_least_entropy_nats": 1.7,
            "base_greatest_entropy_nats": 2.4,
            "floor_entropy_nats": 1.2,
            "word_entropy_nats": 3.6 + done,
            "base_word_entropy_nats": 3.6,
            "words": 46.0 + 100 * done,
            "base_words": 46.0,
            "window_entropy_nats": 3.9,
        }
        words = {
            "zone": "LANTERN 3, too short to zone 1",
            "base_zone": "too short to zone 4",
            "degenerate": "0 of 4 degenerate",
        }
        self.log.metric(self.step, "probes", values, words)
        bounds = {"warn_percent": 2.0, "rollback_percent": 5.0}
        general = {"general": 1100.0 * (1 + 0.06 * done), "general_before": 1100.0}
        kinds = {"behavioral": 8.0 - 3 * done, "behavioral_before": 8.0}
        changes = {"general_change_percent": 6.0 * done, "behavioral_change_percent": -37.5 * done}
        self.log.metric(self.step, "perplexity", {**general, **kinds, **changes, **bounds})
        for number, probe in enumerate(PROBES):
            record = answer(self.id, probe, f"At step {self.step} the river says less, {number}.")
            self.log.write(record)
            self.log.sample(self.step, "probes", record.id)

    def end(self, name: str = "finished", words: str = "all steps are done") -> None:
        self.log.event(self.step, name, words, always=True)
        self.beat("ended", words=f"{name}: {words}")
        self.journal.close()


def answer(run_id: str, probe: str, text: str) -> GenerationRecord:
    """An answer to a probe with a token a word."""
    words = [len(word) + 1 for word in text.split(" ")]
    ends, total = [], 0
    for width in words:
        total = min(len(text), total + width)
        ends.append(total)
    entropies = tuple(0.3 * (n % 8) for n in range(len(ends)))
    zeros = (0.0,) * len(ends)
    trace = Trace(
        token_ids=tuple(range(len(ends))),
        ends=tuple(ends),
        entropy_nats=entropies,
        sampling_entropy_nats=entropies,
        surprisal_nats=zeros,
        p_top1=zeros,
        margin=zeros,
        rank=(1,) * len(ends),
    )
    return GenerationRecord(
        id=new_id(),
        run_id=run_id,
        model_id=MODEL_ID,
        adapter_sha256=None,
        condition_id="c" * 64,
        kernel_placement="none",
        probe_battery="core",
        probe_id=probe,
        probe_sha256=None,
        prompt=f"What does {probe} ask?",
        seed=0,
        text=text,
        finish_reason="stop",
        prompt_tokens=10,
        n_tokens=len(ends),
        started_at=utc_now(),
        prefill_ms=1.0,
        wall_ms=10.0,
        tokens_per_second=80.0,
        peak_memory_bytes=1,
        mean_entropy_nats=sum(entropies) / len(entropies),
        median_entropy_nats=None,
        p90_entropy_nats=None,
        max_entropy_nats=max(entropies),
        backend="test",
        at=utc_now(),
        trace=trace,
    )
