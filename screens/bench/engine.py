"""An engine without a model: `python -m screens.bench.engine TOKENS TOKENS_PER_SECOND`.

It speaks the protocol and answers with so many tokens at that rate, each with statistics and alternatives,
so that what the terminal spends on a token can be measured by itself.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

from lab.decode.types import Alternative, TokenStat
from lab.protocol import (
    Event,
    Finished,
    Generate,
    Load,
    Loaded,
    Ready,
    Shutdown,
    Started,
    Token,
    decode,
    encode,
)

WORDS = ("A", "lantern", "makes", "a", "small", "room", "in", "the", "dark", ",", "and", "asks", "who")


def main() -> None:
    """Serve requests from stdin until it ends."""
    tokens, rate = int(sys.argv[1]), float(sys.argv[2])
    _say(Ready(pid=0, device="cpu", backend="no model"))
    for line in sys.stdin:
        command = decode(line)
        if isinstance(command, Load):
            model = {"id": "none", "name": "no model", "vocab_size": 4096, "parameters": 0}
            _say(Loaded(request_id=command.request_id, model=model, load_ms=0.0))
        elif isinstance(command, Generate):
            for event in _answer(command, tokens, rate):
                _say(event)
        elif isinstance(command, Shutdown):
            return


def _answer(command: Generate, tokens: int, rate: float) -> Iterator[Event]:
    ids = {"request_id": command.request_id, "generation_id": "bench"}
    yield Started(**ids, ask=0, prompt_tokens=8, kernel_placement="none")
    began = time.monotonic()
    for index in range(tokens):
        time.sleep(max(0.0, began + index / rate - time.monotonic()))
        yield Token(**ids, token=_token(index))
    record = {
        "finish_reason": "length",
        "tokens_per_second": rate,
        "peak_memory_bytes": 0,
        "n_tokens": tokens,
    }
    yield Finished(**ids, ask=0, generation=record)


def _token(index: int) -> TokenStat:
    """Entropies of every level, in a pattern that no cache can hold: the period is prime."""
    entropy = 4.0 * (index * 37 % 101) / 101
    word = " " + WORDS[index % len(WORDS)]
    return TokenStat(
        index=index,
        token_id=index % 97,
        text=word,
        entropy_nats=entropy,
        sampling_entropy_nats=entropy / 2,
        surprisal_nats=entropy,
        p_top1=0.5,
        margin=0.25,
        rank=0,
        alternatives=tuple(Alternative(index % 97 + n, word, 0.5 / 2**n) for n in range(5)),
    )


def _say(event: Event) -> None:
    sys.stdout.write(encode(event) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
