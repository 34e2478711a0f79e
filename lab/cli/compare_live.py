"""A comparison while it runs, on stderr: a live table on a terminal, one line a pair elsewhere."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import fmean
from typing import TYPE_CHECKING, Any, Protocol

from lab.cli.output import notice, number, table
from lab.measure.comparison import verdict_of

if TYPE_CHECKING:
    from rich.console import Console

    from lab.compare.run import ScoredPair
    from lab.protocol import Progress
    from store.records import ComparisonRecord

SHOWN = 10
REFRESHES_PER_S = 4


class Watcher(Protocol):
    """Who is told how a comparison goes."""

    def progress(self, progress: Progress) -> None: ...

    def pair(self, pair: ScoredPair) -> None: ...


@contextmanager
def watching(comparison: ComparisonRecord, finished: int) -> Iterator[Watcher]:
    """A watcher fit for this stderr; `finished` pairs were there before."""
    from rich.console import Console

    console = Console(stderr=True)
    tally = Tally(comparison, finished)
    if not console.is_terminal:
        yield _Lines(tally)
        return
    with _Table(tally, console) as live:
        yield live


class Tally:
    """What is known so far, as cells and words."""

    def __init__(self, comparison: ComparisonRecord, finished: int) -> None:
        self.instrument = f"{comparison.instrument} {comparison.version}"
        self.finished = finished
        self.planned = len(comparison.pairs)
        self._comparison = comparison
        self._deltas: list[float] = []
        self._verdicts: Counter[str] = Counter()

    def take(self, pair: ScoredPair) -> tuple[str, str, str, str, str]:
        """Count a pair; its cells: probe, left, right, Δ, verdict."""
        self.finished += 1
        left, right = (pair.total(side, self._comparison.instrument) for side in ("left", "right"))
        planned = self._comparison.pairs[pair.place]
        name = planned.probe_id or " ".join(planned.prompt.split())[:40]
        if left is None or right is None:
            return name, number(left), number(right), "–", "no score"
        delta = right - left
        self._deltas.append(delta)
        self._verdicts[verdict_of(delta)] += 1
        return name, number(left), number(right), f"{delta:+.2f}", verdict_of(delta)

    def words(self) -> str:
        """The verdicts of the pairs taken since the start, and their mean Δ."""
        if not self._deltas:
            return "no scores yet"
        counts = ", ".join(
            f"{self._verdicts[name]} {name}" for name in ("improved", "regressed", "unchanged")
        )
        return f"n = {len(self._deltas)} pairs: {counts}, mean Δ {fmean(self._deltas):+.2f}"


class _Lines:
    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._eta_s: float | None = None

    def progress(self, progress: Progress) -> None:
        self._eta_s = progress.eta_s

    def pair(self, pair: ScoredPair) -> None:
        name, left, right, delta, verdict = self._tally.take(pair)
        left_to_do = "" if self._eta_s is None else f" · {clock(self._eta_s)} left"
        notice(
            f"[{self._tally.finished}/{self._tally.planned}] {name}: {left} → {right}, "
            f"Δ {delta} {verdict}{left_to_do}"
        )


class _Table:
    """A bar with ETA, the last pairs and the tally, drawn anew a few times a second."""

    def __init__(self, tally: Tally, console: Console) -> None:
        from rich.live import Live
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as Bar

        self._tally = tally
        self._rows: deque[tuple[str, ...]] = deque(maxlen=SHOWN)
        self._note = "reading the first prompts"
        self._bar = Bar(
            TextColumn("pairs"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
        )
        self._task = self._bar.add_task(
            "pairs", total=tally.planned, completed=tally.finished, note=self._note
        )
        self._live = Live(
            self._drawing(), console=console, transient=True, refresh_per_second=REFRESHES_PER_S
        )

    def __enter__(self) -> _Table:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def progress(self, progress: Progress) -> None:
        eta = "" if progress.eta_s is None else f" · {clock(progress.eta_s)} left"
        self._note = f"{progress.tokens_per_second:.0f} tokens/s{eta}"
        self._draw()

    def pair(self, pair: ScoredPair) -> None:
        self._rows.append(self._tally.take(pair))
        self._draw()

    def _draw(self) -> None:
        self._bar.update(self._task, completed=self._tally.finished, note=self._note)
        self._live.update(self._drawing())

    def _drawing(self) -> Any:
        from rich.console import Group
        from rich.text import Text

        heading = Text(f"{self._tally.instrument}, the last pairs")
        grid = table(("probe", "left", "right", "Δ", ""), self._rows, right=(1, 2, 3))
        return Group(self._bar, heading, grid, Text(self._tally.words()))


def clock(seconds: float) -> str:
    """Minutes and seconds, such as 1:05."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
