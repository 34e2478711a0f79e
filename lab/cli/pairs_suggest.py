"""`lantern pairs suggest`: answers at several temperatures, and from them the pairs worth a verdict."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lab.cli.asked import questions_of, refuse_unscorable
from lab.cli.compare import STOPPED, stopping_politely
from lab.cli.compare_live import clock
from lab.cli.output import HomeOption, JsonOption, emit, notice, number, progress_bar, say, show, table
from lab.cli.stored import LAST, one_stored, open_store
from lab.cli.workbench import ModelOption
from lab.errors import LabError

if TYPE_CHECKING:
    from lab.measure.instrument import Instrument
    from lab.preference.candidates import Choice
    from lab.preference.sweep import Policy, Question
    from lab.protocol import Ask, Progress
    from lab.session import Session
    from store.home import Home
    from store.journal import Journal
    from store.records import GenerationRecord, SweepRecord
    from store.service import StoreService

DEFAULT_PAIRS = 30
BATTERIES = ("general", "direction")
"""What is asked unless something is named: the probes of no gate, so that the pairs can be trained on."""
EXAMPLE = """Examples:

  lantern pairs suggest --limit 20 --n 30

  lantern pairs suggest --adapter ./adapters --temperatures 0.2,0.6,1.0 --battery direction

  lantern pairs suggest --battery direction --references --n 40

  lantern pairs suggest --stored --battery core --n 50

  lantern pairs suggest --resume last
"""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the options ask for, before any model is loaded."""

    home: Home
    by: Instrument
    n: int
    batch_size: int
    references: bool


def suggest(
    model: ModelOption = "wick",
    adapter: Annotated[
        Path | None, typer.Option(help="An adapter: a folder, or a checkpoint file.", show_default=False)
    ] = None,
    kernel: Annotated[str | None, typer.Option(help="A kernel by name, or a file.")] = None,
    battery: Annotated[list[str] | None, typer.Option(help="Probes of this battery (repeatable).")] = None,
    domain: Annotated[list[str] | None, typer.Option(help="Only of this domain (repeatable).")] = None,
    probe: Annotated[list[str] | None, typer.Option(help="This probe, by id (repeatable).")] = None,
    prompt: Annotated[list[str] | None, typer.Option(help="A prompt of your own (repeatable).")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many of them.")] = None,
    sweep: Annotated[str, typer.Option(help="A shipped sweep: pairs or wide.")] = "pairs",
    temperatures: Annotated[
        str | None, typer.Option(help="Instead of the sweep's, such as 0.1,0.4,0.8,1.2.", show_default=False)
    ] = None,
    samples: Annotated[int, typer.Option(min=1, help="Answers at each temperature.")] = 1,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Cut answers here.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same answers.")] = 0,
    n: Annotated[int, typer.Option("--n", min=1, help="Pairs to put up, at most.")] = DEFAULT_PAIRS,
    instrument: Annotated[
        str | None,
        typer.Option("--instrument", "-i", help="What the answers are scored by.", show_default=False),
    ] = None,
    stored: Annotated[
        bool, typer.Option("--stored", help="Choose among answers that are there; make none.")
    ] = False,
    answer: Annotated[
        list[str] | None, typer.Option(help="With --stored: the two generations of one pair, by id.")
    ] = None,
    references: Annotated[
        bool,
        typer.Option("--references", help="Put the answers written with directions against the model's."),
    ] = False,
    batch_size: Annotated[int, typer.Option(min=1, help="Answers made at a time.")] = 8,
    resume: Annotated[
        str | None, typer.Option(metavar="ID", help=f"Go on with a stopped sweep; {LAST} is the newest.")
    ] = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Make answers at several temperatures, score them, and put pairs up to be judged.

    Asked are the general and the direction probes unless others are named; those of gates, such as core, can
    be curated but are not trained on.
    """
    named = battery or domain or probe or prompt
    if resume is not None and (named or stored or answer):
        raise LabError("a sweep that goes on keeps its probes: give --resume ID without them")
    if answer and (len(answer) != 2 or not stored):
        raise LabError("a pair is made of two answers: give --stored --answer ID --answer ID")
    from lab.preference.writing import kept_for_gates
    from lab.scoring import DEFAULT_INSTRUMENT
    from lab.scoring import instrument as find
    from store.home import Home
    from store.journal import Journal

    where = Home.resolve(home)
    rubrics = where.config / "rubrics"
    with open_store(where.path) as store:
        if resume is not None:
            record = _stored_sweep(store, resume)
            by = _same(record, find(instrument or record.instrument, rubrics))
            to_do = _Asked(where, by, n, batch_size, references)
            with Journal.open(where, "cli") as journal:
                if not _go_on(record, to_do, store, journal):
                    _say_how_to_go_on(store, record, to_do, home)
                    raise typer.Exit(STOPPED)
            _finish(store, record, to_do, as_json=as_json)
            return
        to_do = _Asked(where, find(instrument or DEFAULT_INSTRUMENT, rubrics), n, batch_size, references)
        if answer:
            _two(store, (answer[0], answer[1]), to_do, as_json=as_json)
            return
        questions, asked = questions_of(store, battery, domain, probe, prompt, limit, default=BATTERIES)
        refuse_unscorable(questions, to_do.by)
        if words := kept_for_gates({one.battery for one in questions if not isinstance(one, str)}):
            notice(words)
        if stored:
            _from_stored(store, questions, to_do, as_json=as_json)
            return
        with Journal.open(where, "cli") as journal:
            session, policy = _policy(
                where, journal, model, adapter, kernel, _samplings(sweep, temperatures, max_tokens)
            )
            from lab.preference.sweep import plan_sweep

            record = plan_sweep(
                questions,
                policy,
                battery=asked,
                instrument=to_do.by.name,
                version=to_do.by.version,
                samples=samples,
                seed=seed,
            )
            if not _sweep(record, policy, session, to_do, store, journal):
                _say_how_to_go_on(store, record, to_do, home)
                raise typer.Exit(STOPPED)
        _finish(store, record, to_do, as_json=as_json)


suggest.__doc__ = f"{suggest.__doc__}\n\n{EXAMPLE}"


def _samplings(sweep: str, temperatures: str | None, max_tokens: int | None) -> tuple[Any, ...]:
    from lab.preference.sweep import at_temperatures
    from lab.sampling import load_sweep

    shipped = load_sweep(sweep)
    sampling = replace(shipped.sampling, max_tokens=max_tokens or shipped.sampling.max_tokens)
    return at_temperatures(sampling, _numbers(temperatures) if temperatures else shipped.temperatures)


def _numbers(text: str) -> list[float]:
    try:
        found = [float(part) for part in text.replace(" ", "").split(",") if part]
    except ValueError:
        raise LabError(f"--temperatures {text!r}: expected numbers such as 0.1,0.4,0.8") from None
    if not all(0.0 <= value < 100.0 for value in found):
        raise LabError(f"--temperatures {text!r}: expected numbers from 0")
    return found


def _policy(
    home: Home,
    journal: Journal,
    model: str,
    adapter: Path | None,
    kernel: str | None,
    samplings: Sequence[Any],
) -> tuple[Session, Policy]:
    from lab.kernels import load as load_kernel
    from lab.models.load import load
    from lab.preference.sweep import Policy
    from lab.session import Session

    chosen = load_kernel(kernel) if kernel else None
    session = Session(load(model, cache_dir=home.cache), journal)
    attached = session.attach([str(adapter.expanduser())] if adapter else [])
    words = " + ".join([session.loaded.record.name, *(one.name for one in attached)])
    return session, Policy(
        model_id=session.loaded.record.id,
        adapter_sha256=attached[0].id if attached else None,
        words=f"{words} under {chosen.name}" if chosen else words,
        kernel=chosen,
        samplings=tuple(samplings),
    )


def _sweep(
    record: SweepRecord,
    policy: Policy,
    session: Session,
    to_do: _Asked,
    store: StoreService,
    journal: Journal,
) -> bool:
    """Keep the plan, then make its answers; False when that was stopped by Ctrl-C."""
    from lab.preference.sweep import asks, condition_records

    session.keep(*condition_records(policy))
    journal.append(record, durable=True)
    store.ingest()
    return _answer(record, asks(record, policy), session, to_do, store)


def _go_on(record: SweepRecord, to_do: _Asked, store: StoreService, journal: Journal) -> bool:
    """Make what is left of a stored sweep."""
    from lab.compare.resume import restored
    from lab.preference.sweep import asks
    from store.queries import stored_side
    from store.queries.pairs import swept
    from store.records import SideRecord

    answered = store.query(swept, record.id)
    if len(answered) == len(record.answers):
        return True
    sides = []
    for condition_id in dict.fromkeys(one.condition_id for one in record.answers):
        side = SideRecord(
            run_id=record.id,
            words=record.words,
            model_id=record.model_id,
            condition_id=condition_id,
            adapter_sha256=record.adapter_sha256,
        )
        sides.append(restored(side, store.query(stored_side, side)))
    first = sides[0]
    adapter = Path(first.adapter) if first.adapter else None
    session, policy = _policy(
        to_do.home, journal, first.model, adapter, None, [side.sampling for side in sides]
    )
    policy = replace(policy, kernel=first.kernel, words=record.words)
    return _answer(record, asks(record, policy, answered), session, to_do, store)


def _answer(
    record: SweepRecord, asked: Sequence[Ask], session: Session, to_do: _Asked, store: StoreService
) -> bool:
    from lab.preference.suggest import run_sweep
    from lab.protocol import Progress

    finished = len(record.answers) - len(asked)
    notice(f"{record.words}: {len(record.answers)} answers to {record.battery}, sweep {record.id}")
    with stopping_politely() as stopped, _watching(record, finished) as (on_progress, on_answer):
        for event in run_sweep(
            record, asked, to_do.by, session, store, batch_size=to_do.batch_size, should_stop=stopped
        ):
            if isinstance(event, Progress):
                on_progress(event)
            else:
                on_answer(event)
        return not stopped()


@contextmanager
def _watching(
    record: SweepRecord, finished: int
) -> Iterator[tuple[Callable[[Progress], None], Callable[[GenerationRecord], None]]]:
    """Who is told how it goes: a bar on a terminal, elsewhere a line for every tenth of the answers."""
    planned = len(record.answers)
    with progress_bar("answers") as bar:
        task = bar.add_task("sweep", total=planned, completed=finished, note="reading the first prompts")
        done, eta = finished, ""

        def on_progress(progress: Progress) -> None:
            nonlocal eta
            eta = "" if progress.eta_s is None else f", {clock(progress.eta_s)} left"
            bar.update(task, note=f"{progress.tokens_per_second:.0f} tokens/s")

        def on_answer(answer: GenerationRecord) -> None:
            nonlocal done
            done += 1
            bar.update(task, completed=done)
            if bar.disable and done * 10 // planned > (done - 1) * 10 // planned:
                notice(f"{done} of {planned} answers{eta}")

        yield on_progress, on_answer


def _finish(store: StoreService, record: SweepRecord, to_do: _Asked, *, as_json: bool) -> None:
    from lab.preference.suggest import finish

    choice = finish(store, record, to_do.n, to_do.by, references=to_do.references)
    _tell(choice, to_do.by, {"sweep": record.id, "answers": len(record.answers)}, as_json=as_json)


def _from_stored(store: StoreService, questions: Sequence[Question], to_do: _Asked, *, as_json: bool) -> None:
    from lab.preference.suggest import from_stored

    revisions = [one.sha256 for one in questions if not isinstance(one, str)]
    if len(revisions) < len(questions):
        raise LabError("--stored looks for answers to probes: use it without --prompt")
    choice = from_stored(store, revisions, to_do.n, to_do.by)
    _tell(choice, to_do.by, {"sweep": None}, as_json=as_json)


def _two(store: StoreService, answer_ids: tuple[str, str], to_do: _Asked, *, as_json: bool) -> None:
    from lab.preference.suggest import is_near_identical, put_up_two

    pair = put_up_two(store, answer_ids, to_do.by)
    if as_json:
        emit({"pairs": [pair], "near_identical": int(is_near_identical(pair))})
        return
    if is_near_identical(pair):
        notice(f"the two answers are nearly the same text (similarity {pair.similarity:.2f})")
    say(f"pair {pair.id[:12]} is up; the Curate screen shows it")


def _tell(choice: Choice, by: Instrument, extra: dict[str, object], *, as_json: bool) -> None:
    for warning in choice.warnings:
        notice(warning)
    if as_json:
        emit(
            {
                **extra,
                "instrument": by.name,
                "version": by.version,
                "pairs": choice.pairs,
                "strata": choice.strata,
                "questions": choice.questions,
                "considered": choice.considered,
                "near_identical": choice.near_identical,
                "passed_over": {
                    "equal texts": choice.equal_texts,
                    "put up before": choice.known,
                    "no score": choice.unscored,
                },
                "warnings": choice.warnings,
            }
        )
        return
    cells = []
    for stratum, count in choice.strata.items():
        of_it = [pair for pair in choice.pairs if pair.stratum == stratum]
        gaps = [abs(pair.score_gap) for pair in of_it if pair.score_gap is not None]
        likeness = [pair.similarity for pair in of_it if pair.similarity is not None]
        cells.append(
            (
                stratum,
                str(count),
                number(sum(gaps) / len(gaps) if gaps else None),
                number(sum(likeness) / len(likeness) if likeness else None),
            )
        )
    if cells:
        show(table(("stratum", "pairs", f"mean gap by {by.name}", "mean similarity"), cells, right=(1, 2, 3)))
    passed = {
        "say the same": choice.equal_texts,
        "were put up before": choice.known,
        "have no score": choice.unscored,
    }
    said = "; ".join(f"{count} {words}" for words, count in passed.items() if count)
    say(
        f"{len(choice.pairs)} pairs are up, of {choice.considered} that could be"
        + (f"; passed over: {said}" if said else "")
    )
    if extra.get("sweep"):
        say(f"all {extra['answers']} answers are kept as sweep {extra['sweep']}")


def _stored_sweep(store: StoreService, wanted: str) -> SweepRecord:
    """The sweep so named, or the newest. Raises LabError where there is none or several."""
    from store.queries.pairs import find_sweeps, sweep

    return one_stored(store, wanted, ("sweep", "sweeps"), find_sweeps, sweep)


def _same(record: SweepRecord, by: Instrument) -> Instrument:
    if (by.name, by.version) != (record.instrument, record.version):
        raise LabError(
            f"the sweep is scored by {record.instrument} {record.version}, not by {by.name} {by.version}: "
            f"finish it with --instrument {record.instrument}, or begin a new one"
        )
    return by


def _say_how_to_go_on(store: StoreService, record: SweepRecord, to_do: _Asked, home: Path | None) -> None:
    from store.queries.pairs import swept

    store.ingest()
    made = len(store.query(swept, record.id))
    at_home = f" --home {shlex.quote(str(home))}" if home else ""
    count = f" --n {to_do.n}" if to_do.n != DEFAULT_PAIRS else ""
    count += " --references" if to_do.references else ""
    notice(f"stopped: {made} of {len(record.answers)} answers are finished and kept; to go on:")
    notice(f"  lantern pairs suggest --resume {record.id}{count}{at_home}")
