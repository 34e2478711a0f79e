"""`lantern watch`: follow a run that trains, from any terminal, and tell it what to do."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from lab.cli.output import HomeOption, JsonOption, emit, emit_line, notice, number, say, show, table
from lab.errors import LabError
from lab.safetext import safe_line

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from lab.train.folder import RunFolder
    from store.home import Home
    from store.records import EventRecord, MetricRecord, Record

POLL_S = 0.05
INTERRUPTED = 130
LINES_EVERY_S = 2.0
EXAMPLE = """Examples:

  lantern watch

  lantern watch a1b2c3d4 --do pause

  lantern watch last --set learning_rate=2e-5

  lantern watch --list
"""


def command(
    run: Annotated[str, typer.Argument(help="A run: its id, the end of it, its name, or last.")] = "last",
    do: Annotated[
        str | None, typer.Option("--do", help="Tell it to pause, resume, stop or save, and return.")
    ] = None,
    change: Annotated[
        str | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting, and return.")
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="List the runs instead.")] = False,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> int:
    """Show a run as it goes on; it does not mind being watched or left. Ctrl-C ends the watching only."""
    from lab.train.control import Command, CommandName, parse_set
    from lab.train.folder import find_run, list_runs
    from store.home import Home

    where = Home.resolve(home)
    if listed:
        return _list(list_runs(where), as_json)
    folder = find_run(where, run)
    if change is not None:
        return _tell(where, folder, parse_set(change), as_json)
    if do is not None:
        if do not in get_args(CommandName) or do == "set":
            raise LabError(f"--do {do}: expected pause, resume, stop or save")
        return _tell(where, folder, Command(name=do), as_json)  # type: ignore[arg-type]
    return follow(where, folder, as_json=as_json)


command.__doc__ = f"{command.__doc__}\n\n{EXAMPLE}"


def _list(folders: list[RunFolder], as_json: bool) -> int:
    rows = []
    for folder in folders:
        beat, plan = folder.read_heartbeat(), folder.read_plan()
        rows.append(
            {
                "run_id": folder.run_id,
                "name": plan["settings"].get("name"),
                "presence": folder.presence(),
                "step": beat.step if beat else 0,
                "planned_steps": beat.planned_steps if beat else None,
                "words": beat.words if beat else "",
                "created_at": plan["created_at"],
            }
        )
    if as_json:
        emit(rows)
    else:
        cells = [
            [
                r["run_id"][-8:],
                r["name"],
                r["presence"],
                f"{r['step']}/{r['planned_steps'] or '?'}",
                r["words"],
            ]
            for r in rows
        ]
        show(table(["run", "name", "state", "steps", ""], cells, right=[3]))
    return 0


def _tell(home: Home, folder: RunFolder, command: Any, as_json: bool) -> int:
    """Send a command and wait for its answer, which comes with the next step."""
    from lab.train.control import send
    from lab.train.watch import RunTail
    from store.records import EventRecord

    if folder.presence() not in ("running", "paused"):
        raise LabError(f"run {folder.run_id[-8:]} is not running ({folder.presence()}): nobody hears it")
    tail = RunTail(home, folder)
    tail.poll()
    identity = send(folder, command)
    while True:
        for record in tail.poll():
            if isinstance(record, EventRecord) and record.detail.get("command") == identity:
                if as_json:
                    emit(record)
                else:
                    say(f"step {record.step}: {record.name}: {record.words}")
                return 1 if record.name == "refused" else 0
        if folder.presence() not in ("running", "paused"):
            raise LabError(f"run {folder.run_id[-8:]} ended before it answered")
        time.sleep(POLL_S)


def follow(
    home: Home,
    folder: RunFolder,
    *,
    as_json: bool = False,
    stop_on_interrupt: bool = False,
    is_over: Callable[[], bool] | None = None,
    shown: Shown | None = None,
) -> int:
    """Show a run until it ends; the exit code says how. `is_over` tells when its process is gone.

    `shown` None is JSON lines, a bar on a terminal, or lines on stderr.

    With `stop_on_interrupt` the first Ctrl-C asks the run to stop; the second one leaves it alone.
    """
    from lab.train.control import Command, send

    silent = shown is not None
    shown = shown or (_JsonLines() if as_json else _display())
    asked = False
    with shown:
        while True:
            try:
                end = _follow(home, folder, shown, is_over)
            except KeyboardInterrupt:
                if not stop_on_interrupt or asked:
                    raise
                asked = True
                send(folder, Command(name="stop"))
                notice("asked the run to stop; Ctrl-C again leaves it to itself")
                continue
            break
    if end is None:
        raise LabError(_last_words(folder))
    if end.name == "failed":
        raise LabError(end.words)
    if not as_json and not silent:
        say(_summary(folder, end))
    return INTERRUPTED if asked else 0


def _follow(
    home: Home, folder: RunFolder, shown: Shown, is_over: Callable[[], bool] | None
) -> EventRecord | None:
    """Show what is written until the run says that it ended; None when it died without a word."""
    from lab.train.watch import RunTail
    from store.records import RUN_ENDS, EventRecord

    tail = shown.tail = shown.tail or RunTail(home, folder)
    end: EventRecord | None = None
    while True:
        over = folder.presence() in ("ended", "presumed dead") if is_over is None else is_over()
        for record in tail.poll():
            shown.show(record)
            if isinstance(record, EventRecord):
                end = record if record.name in RUN_ENDS else None
        if over:
            return end
        time.sleep(POLL_S)


def _last_words(folder: RunFolder) -> str:
    try:
        lines = folder.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        lines = []
    said = f": {lines[-1].removeprefix('lantern: ')}" if lines else ""
    return f"run {folder.run_id[-8:]} ended without a word{said}; `--resume` goes on from its last checkpoint"


def _summary(folder: RunFolder, end: EventRecord) -> str:
    adapter = folder.adapter
    configured = folder.read_plan()["settings"].get("adapter_path")
    return f"{end.name} at step {end.step}: {end.words}\nadapter: {configured or adapter}"


class Shown:
    """Where records are shown; this one shows nothing."""

    tail: Any = None

    def __enter__(self) -> Shown:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def show(self, record: Record) -> None:
        """The next record of the run."""


class _JsonLines(Shown):
    """Every record as a line."""

    def show(self, record: Record) -> None:
        from lab.cli.output import plain

        emit_line({"kind": record.kind, **plain(record)})


def _display() -> Shown:
    return _Live() if sys.stderr.isatty() else _Lines()


@dataclass
class _Totals:
    """What is shown beside the bar."""

    steps: int = 0
    loss: float | None = None
    held_out: float | None = None


class _Lines(Shown):
    """Plain lines: events and evaluations, and a step every two seconds."""

    def __init__(self) -> None:
        self._totals = _Totals()
        self._last_s = 0.0

    def show(self, record: Record) -> None:
        from store.records import EventRecord, MetricRecord, RunRecord

        if isinstance(record, RunRecord):
            self._totals.steps = record.planned_steps
        elif isinstance(record, EventRecord) and record.name != "failed":
            notice(f"{record.level if record.level != 'info' else record.name}: {record.words}")
        elif isinstance(record, MetricRecord):
            self._metric(record)

    def _metric(self, record: MetricRecord) -> None:
        if record.source != "train":
            notice(measured(record))
        elif time.monotonic() - self._last_s >= LINES_EVERY_S or record.step == self._totals.steps:
            self._last_s = time.monotonic()
            notice(f"step {record.step}/{self._totals.steps} · {trained(record)}")


class _Live(Shown):
    """A bar with ETA and the newest figures on a terminal; events scroll by above it."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._progress: Progress = Progress(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=Console(stderr=True),
        )
        self._task: TaskID = self._progress.add_task("training", total=None, note="")
        self._held_out = ""

    def __enter__(self) -> Shown:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, record: Record) -> None:
        from store.records import EventRecord, MetricRecord, RunRecord

        if isinstance(record, RunRecord):
            self._progress.update(self._task, total=record.planned_steps)
        elif isinstance(record, EventRecord) and record.name != "failed":
            self._print(f"{record.step:>6}  {record.name}: {record.words}")
        elif isinstance(record, MetricRecord) and record.source == "train":
            note = f"{trained(record)}{self._held_out}"
            self._progress.update(self._task, completed=record.step, note=note)
        elif isinstance(record, MetricRecord):
            if record.source == "valid":
                self._held_out = f" · held-out {number(record.values.get('loss_nats'), 4)}"
            self._print(measured(record))

    def _print(self, text: str) -> None:
        from rich.text import Text

        self._progress.console.print(Text(safe_line(text)))


def trained(record: MetricRecord) -> str:
    """A step as a line."""
    values = record.values
    preferred = f"{_preferred(values)} · " if _preferred(values) else ""
    memory = (values.get("peak_memory_bytes") or 0.0) / 2**20
    return (
        f"loss {number(values.get('loss_nats'), 4)} nats · {preferred}"
        f"lr {values.get('learning_rate') or 0.0:.2e} · "
        f"{number(values.get('tokens_per_second'), 0)} tok/s · {memory:.0f} MiB"
    )


def _preferred(values: Mapping[str, float | None]) -> str:
    """How many pairs are preferred as they should be, and by how much; nothing in a run without pairs."""
    accuracy = values.get("rewards/accuracies")
    margin = next((value for name, value in values.items() if name.endswith("/margins")), None)
    return "" if accuracy is None else f"preferred {accuracy:.0%}, margin {number(margin)}"


def measured(record: MetricRecord) -> str:
    """What was evaluated or found by a monitor, as a line."""
    from lab.train.monitors.words import line_of

    if record.source == "valid":
        best = " · best so far" if record.values.get("best") else ""
        loss, perplexity = record.values.get("loss_nats"), record.values.get("perplexity")
        more = _preferred(record.values) or f"perplexity {number(perplexity)}"
        return f"{record.step:>6}  held-out loss {number(loss, 4)} nats, {more}{best}"
    if (line := line_of(record)) is not None:
        return f"{record.step:>6}  {record.source}: {line}"
    values = ", ".join(f"{name} {number(value, 4)}" for name, value in record.values.items())
    words = ", ".join(f"{name}: {text}" for name, text in record.words.items())
    return f"{record.step:>6}  {record.source}: {'; '.join(filter(None, (values, words)))}"
