"""An engine of the same protocol without a model: `python fake_engine.py [--tokens N] [--pace S] …`.

Its answers are a fixed passage under pseudo-random but reproducible statistics, so that screens can be tested
without weights. It keeps no journal.
"""

from __future__ import annotations

import argparse
import math
import queue
import random
import sys
import threading
import time
from dataclasses import replace

from lab.decode.types import Alternative, TokenStat
from lab.errors import LabError
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
    Progress,
    Ready,
    Shutdown,
    Started,
    Token,
    decode,
    encode,
)

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

    def __init__(self, tokens: int, pace_s: float, die_after: int | None, text: str | None) -> None:
        self.tokens, self.pace_s, self.die_after = tokens, pace_s, die_after
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
        model = {"id": "m1", "name": command.model, "vocab_size": 4096, "parameters": 3_000_000}
        self.say(Loaded(request_id=command.request_id, model=model, load_ms=1.0))

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
            ids[index] = f"generation-{self.made:04}"
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
        text = self.passage[(n + ask.seed) % len(self.passage)]
        stat = statistics(n, text, 100 + (n + ask.seed) % len(self.passage), ask.seed)
        if n < len(ask.prefix_token_ids):
            stat = replace(stat, token_id=ask.prefix_token_ids[n])
            if n == len(ask.prefix_token_ids) - 1:
                stat = replace(stat, text=" branched")
        self.say(Token(request_id=command.request_id, generation_id=generation_id, token=stat))
        return stat

    def finish(
        self, command: Generate, generation_id: str, index: int, ask: Ask, told: list[TokenStat]
    ) -> None:
        record = {
            "id": generation_id,
            "text": "".join(token.text for token in told),
            "finish_reason": "cancelled" if self.stopped(command) else "stop",
            "n_tokens": len(told),
            "tokens_per_second": 80.0,
            "peak_memory_bytes": 312_000_000,
            "prompt": ask.prompt,
        }
        self.say(
            Finished(request_id=command.request_id, generation_id=generation_id, ask=index, generation=record)
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


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tokens", type=int, default=40)
    parser.add_argument("--pace", type=float, default=0.0)
    parser.add_argument("--die-after", type=int, default=None)
    parser.add_argument("--text", default=None)
    arguments = parser.parse_args()
    FakeEngine(arguments.tokens, arguments.pace, arguments.die_after, arguments.text).run()


if __name__ == "__main__":
    main()
