"""Comparisons for tests of the Compare screen: a real store that holds some, and the lab on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from lab.compare.scores import pair_scores
from lab.scoring import instrument
from screens.app import LanternApp
from screens.compare.screen import CompareScreen
from store.home import Home
from store.journal import Journal
from store.records import (
    ComparisonRecord,
    GenerationRecord,
    PlannedPair,
    Record,
    ScoreRecord,
    SideRecord,
    Trace,
)
from store.service import StoreService
from tests.screens.fake_engine import model_record, pieces, sha, statistics
from tests.screens.fakes import lab, until
from tests.store import facts

MODEL = "wick"
SHARED = "One could begin with what everybody can see from where they stand, "
PLAIN = SHARED + "and then it is best to ask an expert."
RICH = SHARED + "for I feel the grief of it… “What would it cost you?” she asked. Perhaps another view helps."


def pair_records(
    texts: Sequence[tuple[str | None, str | None]],
    *,
    prompt: str = "What does the river ask of the nurse?",
    domains: Sequence[str] = ("Identity", "Network"),
    words: tuple[str, str] = ("wick", "wick + tuned"),
    scored: bool = True,
    probe_id: str = "P{:02}_PROBE",
) -> tuple[ComparisonRecord, list[Record]]:
    """A comparison of these pairs of answers (None: not there yet), and all records that belong to it."""
    model, under = model_record(MODEL), facts.condition()
    adapter = facts.adapter("tuned")
    ids = [probe_id.format(number) for number in range(len(texts))]
    probes = [
        facts.probe(
            name, domain=domains[number % len(domains)], prompt=prompt, sha256=sha(f"{name} {number}")
        )
        for number, name in enumerate(ids)
    ]
    left = SideRecord(run_id=f"left-{prompt}", words=words[0], model_id=model.id, condition_id=under.id)
    right = SideRecord(
        run_id=f"right-{prompt}",
        words=words[1],
        model_id=model.id,
        condition_id=under.id,
        adapter_sha256=adapter.id,
    )
    comparison = facts.comparison(
        0,
        left=left,
        right=right,
        pairs=tuple(
            PlannedPair(
                prompt=prompt,
                seed=number,
                probe_battery="core",
                probe_id=probe.id,
                probe_sha256=probe.sha256,
            )
            for number, probe in enumerate(probes)
        ),
    )
    records: list[Record] = [model, under, adapter, *probes, comparison]
    for number, pair in enumerate(texts):
        answers = [
            answer(text, side, comparison.pairs[number], model.id)
            for text, side in zip(pair, (left, right), strict=True)
            if text is not None
        ]
        records += answers
        if scored and len(answers) == 2:
            records += scores_of(answers[0], answers[1])
    return comparison, records


def answer(text: str, side: SideRecord, pair: PlannedPair, model_id: str) -> GenerationRecord:
    parts = pieces(text)
    tokens = [statistics(n, part, number_of(part), pair.seed) for n, part in enumerate(parts)]
    ends = [len("".join(parts[: n + 1])) for n in range(len(parts))]
    return facts.generation(
        run_id=side.run_id,
        model_id=model_id,
        adapter_sha256=side.adapter_sha256,
        condition_id=side.condition_id,
        probe_battery=pair.probe_battery,
        probe_id=pair.probe_id,
        probe_sha256=pair.probe_sha256,
        prompt=pair.prompt,
        seed=pair.seed,
        text="".join(parts),
        n_tokens=len(tokens),
        trace=Trace(
            token_ids=tuple(token.token_id for token in tokens),
            ends=tuple(ends),
            entropy_nats=tuple(token.entropy_nats for token in tokens),
            sampling_entropy_nats=tuple(token.sampling_entropy_nats for token in tokens),
            surprisal_nats=tuple(token.surprisal_nats for token in tokens),
            p_top1=tuple(token.p_top1 for token in tokens),
            margin=tuple(token.margin for token in tokens),
            rank=tuple(token.rank for token in tokens),
        ),
    )


def number_of(piece: str) -> int:
    """A token id that the same piece has everywhere."""
    return int(sha(piece)[:6], 16) % 8192


def scores_of(left: GenerationRecord, right: GenerationRecord) -> list[ScoreRecord]:
    return pair_scores(left, right, instrument("lantern-v1"), {})


@asynccontextmanager
async def compare_lab(
    path: Path, records: Sequence[Record] = (), *, engine: Sequence[str] = (), **options: Any
) -> AsyncIterator[tuple[LanternApp, Pilot[None], CompareScreen]]:
    """The lab on the Compare screen, over a real store of `records`; the fake engine keeps a journal."""
    home = Home.resolve(path / "home")
    if records:
        with Journal.open(home, "test") as journal:
            for record in records:
                journal.append(record)
    service = StoreService(home)
    command = (*engine, "--home", str(home.path))
    async with lab(path, start="compare", store=service, engine=command, **options) as (app, pilot):  # type: ignore[arg-type]
        screen = app.screen
        assert isinstance(screen, CompareScreen)
        try:
            yield app, pilot, screen
        finally:
            await app.store.close()


async def open_battery(pilot: Pilot[None], screen: CompareScreen) -> None:
    """Open the newest comparison and wait for its pairs."""
    await until(pilot, lambda: screen.comparisons.current is not None)
    await pilot.press("enter")
    await until(pilot, lambda: screen.place == "battery" and screen.pairs.current is not None)


async def open_pair(pilot: Pilot[None], screen: CompareScreen) -> None:
    """Open the newest comparison's first pair."""
    await open_battery(pilot, screen)
    await pilot.press("enter")
    await until(pilot, lambda: screen.place == "pair" and screen.view.pair is not None)
