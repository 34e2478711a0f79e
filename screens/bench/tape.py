"""What a token costs the terminal: CPU time of its process while one long answer streams onto the tape.

`python -m screens.bench.tape FILE TOKENS RATE` is the lab that is measured: the real one on an engine without
a model. It notes its CPU time in FILE as the tokens come.
"""

from __future__ import annotations

import json
import sys
import time
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from screens.bench.pty_lab import PtyLab

NOTE_EVERY = 50
SPAN = 500
LOOK_EVERY_S = 0.02


@dataclass(frozen=True, slots=True)
class TapeFigures:
    """CPU milliseconds of the terminal's process a token, over the first and the last `span` tokens."""

    tokens: int
    tokens_per_second: float
    span: int
    first_ms_per_token: float
    last_ms_per_token: float
    mean_ms_per_token: float


def measure_tape(home: Path, tokens: int = 2_000, rate: float = 250.0) -> TapeFigures:
    """Stream one answer of `tokens`, at least twice the span, through the lab."""
    notes = home / "notes.json"
    home.mkdir(parents=True, exist_ok=True)
    with PtyLab(home, "screens.bench.tape", (str(notes), str(tokens), str(rate))) as lab:
        lab.wait("Ask the model something")
        lab.wait("ready")
        lab.rest(3.0)
        lab.press("p", r"\^q Quit")
        lab.send("Go on.")
        lab.wait("Go on")
        lab.send("\r")
        lab.wait(f"{tokens:,} tokens · cut at the limit", patience_s=60 + 2 * tokens / rate)
        lab.rest(0.5)
    spent = [(n, cpu_s) for n, cpu_s in json.loads(notes.read_text("ascii"))]

    def ms_per_token(first: int, last: int) -> float:
        return (cpu_at(spent, last) - cpu_at(spent, first)) * 1e3 / (last - first)

    return TapeFigures(
        tokens=tokens,
        tokens_per_second=rate,
        span=SPAN,
        first_ms_per_token=ms_per_token(0, SPAN),
        last_ms_per_token=ms_per_token(tokens - SPAN, tokens),
        mean_ms_per_token=ms_per_token(0, tokens),
    )


def cpu_at(spent: Sequence[tuple[int, float]], tokens: int) -> float:
    """CPU seconds when there were so many tokens, interpolated between notes (tokens, seconds) in order."""
    counts = [n for n, _ in spent]
    above = min(max(1, bisect_left(counts, tokens)), len(spent) - 1)
    (n0, s0), (n1, s1) = spent[above - 1], spent[above]
    return s0 + (s1 - s0) * (tokens - n0) / (n1 - n0)


def main() -> None:
    """The lab that is measured."""
    from screens.app import LanternApp
    from store.home import Home

    path, tokens, rate = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    command = [sys.executable, "-m", "screens.bench.engine", tokens, rate]
    app = LanternApp(Home.resolve(None), start="live", engine_command=command)
    noted: list[tuple[int, float]] = []

    def look() -> None:
        if not app.bench.answers:
            return
        answer = app.bench.answers[-1]
        n = len(answer.tokens)
        if not noted or n >= noted[-1][0] + (1 if answer.record else NOTE_EVERY):
            noted.append((n, time.process_time()))
            path.write_text(json.dumps(noted), "ascii")

    app.call_later(lambda: app.set_interval(LOOK_EVERY_S, look))
    app.run()


if __name__ == "__main__":
    main()
