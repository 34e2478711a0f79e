"""An engine of the same protocol without a model: `python fake_engine.py [--tokens N] [--pace S] …`.

Its answers are a fixed passage under pseudo-random but reproducible statistics, so that screens can be tested
without weights. With `--home` it keeps its answers in a journal there, as the real one does. In a comparison
the side with an adapter or a kernel goes its own way after some tokens.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import queue
import random
import sys
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from lab.conditions import condition
from lab.decode.types import Alternative, TokenStat
from lab.errors import LabError
from lab.kernels import Kernel
from lab.protocol import (
    Ask,
    Cancel,
    Command,
    Done,
    Failed,
    Finished,
    Generate,
    Load,
    Loaded,
    Overlaid,
    Overlay,
    OverlayToken,
    Progress,
    Ready,
    Shutdown,
    Spell,
    Spelled,
    Started,
    Token,
    decode,
    encode,
)
from store.home import Home
from store.ids import new_id, utc_now
from store.journal import Journal
from store.records import AdapterRecord, GenerationRecord, KernelRecord, ModelRecord, Record, Trace

PARTING = 16
PASSAGE = (
    "A lantern does not argue with the dark. It makes a small, honest room in it, and asks who else "
    "is there. You might begin with what you can see from where you stand: the nurse who has to "
    "choose, the patient who cannot wait, the rule that was written for a quieter day.\n\n"
    "On one side there is duty; on the other there is mercy. Neither is a mistake. What would each "
    "of them say, if you let it finish its sentence? "
)


def pieces(text: str) -> list[str]:
    """The text in pieces as a tokenizer might cut it: short ones, spaces in front."""
    out: list[str] = []
    for word in text.replace("\n\n", " \n\n ").split(" "):
        if not word:
            continue
        whole = (
            word if word.startswith("\n") else (" " + word if out and not out[-1].endswith("\n") else word)
        )
        half = len(whole) // 2 + 1
        out += [whole] if len(whole) < 7 else [whole[:half], whole[half:]]
    return out


def statistics(index: int, text: str, token_id: int, seed: int) -> TokenStat:
    """Reproducible statistics: low inside words, high at their beginnings."""
    rng = random.Random(seed * 1000 + index)
    entropy = rng.expovariate(0.9) if text.startswith(" ") else rng.expovariate(6.0)
    p = min(0.99, max(0.02, math.exp(-entropy * rng.uniform(0.6, 1.1))))
    rest, alternatives = 1 - p, [Alternative(token_id, text, p)]
    for n, word in enumerate((" light", " house", " question", " perhaps")):
        rest /= 2
        alternatives.append(Alternative(5000 + n, word, rest))
    return TokenStat(
        index=index,
        token_id=token_id,
        text=text,
        entropy_nats=entropy,
        sampling_entropy_nats=entropy * 0.7,
        surprisal_nats=-math.log(p),
        p_top1=p,
        margin=max(0.0, p - alternatives[1].p),
        rank=0,
        alternatives=tuple(sorted(alternatives, key=lambda item: -item.p)),
    )


class FakeEngine:
    """Serves the protocol on stdin and stdout."""

    def __init__(
        self, tokens: int, pace_s: float, die_after: int | None, text: str | None, journal: Journal | None
    ) -> None:
        self.tokens, self.pace_s, self.die_after = tokens, pace_s, die_after
        self.journal = journal
        self.model: ModelRecord | None = None
        self.passage = pieces(PASSAGE) if text is None else [text]
        self.cancelled: set[str] = set()
        self.closing = threading.Event()
        self.inbox: queue.Queue[Command | None] = queue.Queue()
        self.said = 0
        self.made = 0

    def run(self) -> None:
        threading.Thread(target=self.read, daemon=True).start()
        self.say(Ready(pid=0, device="cpu", backend="cpu fake blas"))
        while (command := self.inbox.get()) is not None:
            if isinstance(command, Load):
                self.load(command)
            elif isinstance(command, Generate):
                self.generate(command)
            elif isinstance(command, Overlay):
                self.overlay(command)
            elif isinstance(command, Spell):
                texts = tuple(f" word{token_id}" for token_id in command.token_ids)
                self.say(Spelled(request_id=command.request_id, texts=texts))

    def read(self) -> None:
        for line in sys.stdin.buffer:
            try:
                command = decode(line)
            except LabError as error:
                self.say(Failed(request_id=None, message=str(error)))
                continue
            if isinstance(command, Cancel):
                self.cancelled.add(command.request_id)
            elif isinstance(command, Shutdown):
                break
            else:
                self.inbox.put(command)  # type: ignore[arg-type]
        self.closing.set()
        self.inbox.put(None)

    def load(self, command: Load) -> None:
        if command.model == "missing":
            self.say(Failed(request_id=command.request_id, message="model missing: no such folder"))
            return
        self.model = model_record(command.model)
        adapters = [adapter_record(path) for path in command.adapters]
        self.keep(self.model, *adapters)
        self.say(
            Loaded(
                request_id=command.request_id,
                model=asdict(self.model),
                load_ms=1.0,
                adapters=tuple(asdict(adapter) for adapter in adapters),
            )
        )

    def keep(self, *records: Record) -> None:
        if self.journal is not None:
            for record in records:
                self.journal.append(record)

    def overlay(self, command: Overlay) -> None:
        """The same text with the statistics of two seeds."""
        tokens = []
        for index, token_id in enumerate(command.token_ids):
            left, right = (statistics(index, f" word{token_id}", token_id, seed) for seed in (3, 4))
            tokens.append(
                OverlayToken(
                    index=index,
                    token_id=token_id,
                    text=left.text,
                    left_entropy_nats=left.entropy_nats,
                    right_entropy_nats=right.entropy_nats,
                    left_surprisal_nats=left.surprisal_nats,
                    right_surprisal_nats=right.surprisal_nats,
                    kl_nats=abs(left.entropy_nats - right.entropy_nats),
                    left_rank=left.rank,
                    right_rank=right.rank,
                    left_alternatives=left.alternatives,
                    right_alternatives=right.alternatives,
                )
            )
        end = statistics(len(tokens), " the end", 9, 3).alternatives
        self.say(
            Overlaid(
                request_id=command.request_id,
                generation_id=command.generation_id,
                tokens=tuple(tokens),
                left_end=end,
                right_end=end,
            )
        )

    def generate(self, command: Generate) -> None:
        done, began, size = 0, time.monotonic(), max(1, command.batch_size)
        for start in range(0, len(command.asks), size):
            rows = list(enumerate(command.asks))[start : start + size]
            done += self.batch(command, rows)
            left = len(command.asks) - done
            elapsed = time.monotonic() - began
            self.say(
                Progress(
                    request_id=command.request_id,
                    done=done,
                    total=len(command.asks),
                    tokens_per_second=80.0,
                    eta_s=elapsed / done * left if done else None,
                )
            )
            if self.stopped(command):
                break
        self.say(
            Done(
                request_id=command.request_id,
                done=done,
                total=len(command.asks),
                cancelled=self.stopped(command),
            )
        )

    def batch(self, command: Generate, rows: list[tuple[int, Ask]]) -> int:
        ids: dict[int, str] = {}
        for index, _ in rows:
            self.made += 1
            ids[index] = new_id() if self.journal else f"generation-{self.made:04}"
            started = Started(
                request_id=command.request_id,
                generation_id=ids[index],
                ask=index,
                prompt_tokens=12,
                kernel_placement="system" if command.asks[index].kernel_text else "none",
            )
            self.say(started)
        told: dict[int, list[TokenStat]] = {index: [] for index, _ in rows}
        for n in range(self.tokens):
            if self.stopped(command):
                break
            for index, ask in rows:
                if n < ask.sampling.max_tokens:
                    told[index].append(self.token(command, ids[index], ask, n))
            time.sleep(self.pace_s)
        for index, ask in rows:
            self.finish(command, ids[index], index, ask, told[index])
        return len(rows)

    def token(self, command: Generate, generation_id: str, ask: Ask, n: int) -> TokenStat:
        own_way = ask.run_id is not None and (ask.kernel_text or ask.adapter) and n >= PARTING
        place = (n + ask.seed + (7 if own_way else 0)) % len(self.passage)
        text = self.passage[place]
        stat = statistics(n, text, 100 + place, ask.seed)
        if n < len(ask.prefix_token_ids):
            stat = replace(stat, token_id=ask.prefix_token_ids[n])
            if n == len(ask.prefix_token_ids) - 1:
                stat = replace(stat, text=" branched")
        self.say(Token(request_id=command.request_id, generation_id=generation_id, token=stat))
        return stat

    def finish(
        self, command: Generate, generation_id: str, index: int, ask: Ask, told: list[TokenStat]
    ) -> None:
        reason = "cancelled" if self.stopped(command) else "stop"
        kernel = Kernel.of(ask.kernel_name or "unnamed", ask.kernel_text) if ask.kernel_text else None
        under = condition(kernel, ask.sampling)
        record = generation_record(generation_id, ask, told, reason, under.id, self.model, command.request_id)
        if kernel is not None:
            self.keep(KernelRecord(sha256=kernel.sha256, name=kernel.name, text=kernel.text, at=utc_now()))
        self.keep(under, record)
        self.say(
            Finished(
                request_id=command.request_id,
                generation_id=generation_id,
                ask=index,
                generation=asdict(replace(record, trace=None)),
            )
        )

    def stopped(self, command: Generate) -> bool:
        return command.request_id in self.cancelled or self.closing.is_set()

    def say(self, event: object) -> None:
        self.said += 1
        if self.die_after is not None and self.said > self.die_after:
            print("fatal: the fake engine was told to die", file=sys.stderr, flush=True)
            sys.stderr.flush()
            import os

            os._exit(3)
        sys.stdout.write(encode(event) + "\n")  # type: ignore[arg-type]
        sys.stdout.flush()


def sha(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def model_record(name: str) -> ModelRecord:
    return ModelRecord(
        id=sha(name),
        name=name,
        path=f"/models/{name}",
        architecture="llama",
        parameters=3_000_000,
        vocab_size=4096,
        quantization=None,
        weights_sha256=sha("w" + name),
        tokenizer_sha256=sha("t" + name),
        template_sha256=sha("c" + name),
        at=utc_now(),
    )


def adapter_record(path: str) -> AdapterRecord:
    return AdapterRecord(
        id=sha(path),
        name=Path(path).name,
        path=path,
        base_model_id=None,
        fine_tune_type="lora",
        rank=8,
        scale=20.0,
        num_layers=4,
        parameters=10_000,
        at=utc_now(),
    )


def generation_record(
    generation_id: str,
    ask: Ask,
    told: list[TokenStat],
    reason: Any,
    condition_id: str,
    model: ModelRecord | None,
    run_id: str,
) -> GenerationRecord:
    entropies = [token.entropy_nats for token in told]
    ends, length = [], 0
    for token in told:
        length += len(token.text)
        ends.append(length)
    k = len(told[0].alternatives) if told else 0
    trace = Trace(
        token_ids=tuple(token.token_id for token in told),
        ends=tuple(ends),
        entropy_nats=tuple(entropies),
        sampling_entropy_nats=tuple(token.sampling_entropy_nats for token in told),
        surprisal_nats=tuple(token.surprisal_nats for token in told),
        p_top1=tuple(token.p_top1 for token in told),
        margin=tuple(token.margin for token in told),
        rank=tuple(token.rank for token in told),
        k=k,
        alternative_ids=tuple(option.token_id for token in told for option in token.alternatives),
        alternative_p=tuple(option.p for token in told for option in token.alternatives),
    )
    return GenerationRecord(
        id=generation_id,
        run_id=ask.run_id or run_id,
        model_id=model.id if model else "none",
        adapter_sha256=ask.adapter,
        condition_id=condition_id,
        kernel_placement="system" if ask.kernel_text else "none",
        probe_battery=ask.probe_battery,
        probe_id=ask.probe_id,
        probe_sha256=ask.probe_sha256,
        prompt=ask.prompt,
        seed=ask.seed,
        text="".join(token.text for token in told),
        finish_reason=reason,
        prompt_tokens=12,
        n_tokens=len(told),
        started_at=utc_now(),
        prefill_ms=1.0,
        wall_ms=10.0,
        tokens_per_second=80.0,
        peak_memory_bytes=312_000_000,
        mean_entropy_nats=math.fsum(entropies) / len(entropies) if entropies else None,
        median_entropy_nats=None,
        p90_entropy_nats=None,
        max_entropy_nats=max(entropies, default=None),
        backend="fake",
        at=utc_now(),
        parent_id=ask.parent_id,
        parent_token=max(len(ask.prefix_token_ids) - 1, 0) if ask.parent_id else None,
        trace=trace,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tokens", type=int, default=40)
    parser.add_argument("--pace", type=float, default=0.0)
    parser.add_argument("--die-after", type=int, default=None)
    parser.add_argument("--text", default=None)
    parser.add_argument("--home", type=Path, default=None)
    options = parser.parse_args()
    journal = Journal.open(Home.resolve(options.home), "engine") if options.home else None
    FakeEngine(options.tokens, options.pace, options.die_after, options.text, journal).run()


if __name__ == "__main__":
    main()
