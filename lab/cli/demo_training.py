"""The second part of `lantern demo`: a run is trained here and now, then base and tuned answer the same."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lab.cli.output import number, progress_bar, say
from lab.cli.watch import Shown, measured, trained
from lab.protocol import Finished, Progress

if TYPE_CHECKING:
    from lab.cli.workbench import Workbench
    from lab.compare.summary import ComparisonSummary
    from lab.demo_training import DemoData
    from lab.train.folder import RunFolder
    from store.records import ComparisonRecord, Record


@dataclass(frozen=True)
class Trained:
    """A run of the demo: its data, its folder, and how `lantern watch` would have ended."""

    data: DemoData
    folder: RunFolder
    code: int


def train(bench: Workbench, seed: int, quiet: bool) -> Trained:
    """Have wick answer under the kernel, and train it on the answers without the kernel; text as it goes."""
    from lab.cli.watch import follow
    from lab.demo_training import training_settings, write_data
    from lab.train.folder import create_run
    from lab.train.launch import launch
    from lab.train.settings import as_mapping

    data = write_data(bench.home, _answers(bench, seed, quiet))
    if not quiet:
        say(f"{data.train} of them to learn from, {data.held_out} held out.")
        say("Training on them, without the kernel:")
    settings = training_settings(data)
    folder = create_run(bench.home, as_mapping(settings))
    process = launch(bench.home, folder)
    code = follow(
        bench.home,
        folder,
        shown=Shown() if quiet else _Lines(),
        stop_on_interrupt=True,
        is_over=lambda: process.poll() is not None,
    )
    return Trained(data, folder, code)


def compare(
    bench: Workbench, model: str, first: ComparisonRecord, run: Trained, max_tokens: int | None
) -> ComparisonRecord:
    """Base against tuned on the same probes and seeds; the base's answers are those it has given already."""
    from lab.compare.plan import new_comparison, passes
    from lab.compare.sides import side_record
    from lab.demo import demo_probes, demo_tuned_sides
    from store.queries import answered

    base, tuned = demo_tuned_sides(model, str(run.folder.adapter), max_tokens)
    (adapter,) = bench.session.attach([str(run.folder.adapter)])
    record = bench.session.loaded.record
    comparison = new_comparison(
        first.left,
        side_record(tuned, record, adapter),
        demo_probes(),
        battery=first.battery,
        instrument=first.instrument,
        version=first.version,
        seed=first.pairs[0].seed,
        name="demo, base against tuned",
    )
    bench.session.keep(comparison)
    bench.store.ingest()
    for one in passes(comparison, base, tuned, bench.store.query(answered, comparison.id)):
        for _ in bench.session.generate("demo", one.asks):
            pass
    bench.store.ingest()
    return comparison


def say_gap(kernel: ComparisonSummary, tuned: ComparisonSummary) -> None:
    """How much of the way from the base to the kernel the run has gone, by the primary score."""
    measure = kernel.battery.overall.measure
    base, under, now = (
        estimate.value
        for estimate in (
            kernel.battery.overall.base,
            kernel.battery.overall.tuned,
            tuned.battery.overall.tuned,
        )
    )
    if base is None or under is None or now is None:
        return
    closed = f": {(now - base) / (under - base):.0%} of the way" if under > base else ""
    say(
        f"{measure.instrument} {measure.version}, mean of {kernel.battery.overall.n} probes: "
        f"base {number(base)}, under the kernel {number(under)}, tuned and without the kernel "
        f"{number(now)}{closed}."
    )


def _answers(bench: Workbench, seed: int, quiet: bool) -> list[dict[str, Any]]:
    from lab.demo_training import training_asks

    asks = training_asks(seed)
    if not quiet:
        say(f"\nNow for training data: {len(asks)} other core probes, answered under the kernel.")
    began, answers = time.monotonic(), []
    with progress_bar("answers") as bar:
        task = bar.add_task("answering", total=len(asks), note="")
        for event in bench.session.generate("demo-data", asks):
            if isinstance(event, Finished):
                answers.append(dict(event.generation))
            elif isinstance(event, Progress):
                bar.update(task, completed=event.done, note=f"{event.tokens_per_second:.0f} tok/s")
    if not quiet:
        tokens = sum(int(answer["n_tokens"]) for answer in answers)
        say(f"{len(answers)} answers, {tokens:,} tokens, in {time.monotonic() - began:.0f} s; ", end="")
    return answers


class _Lines(Shown):
    """Every step, evaluation and event of a short run, as lines on stdout."""

    def __init__(self) -> None:
        self._steps = 0

    def show(self, record: Record) -> None:
        from store.records import EventRecord, MetricRecord, RunRecord

        if isinstance(record, RunRecord):
            self._steps = record.planned_steps
        elif isinstance(record, EventRecord) and record.name not in ("failed", "finished"):
            say(f"{record.step:>6}  {record.name}: {record.words}")
        elif isinstance(record, MetricRecord) and record.source == "train":
            say(f"{record.step:>6}  of {self._steps} · {trained(record)}")
        elif isinstance(record, MetricRecord) and record.values:
            say(measured(record))
