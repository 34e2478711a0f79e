"""The engine process: it answers, keeps, cancels, survives nonsense, and loses nothing it called finished."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.decode.types import Sampling
from lab.protocol import (
    Ask,
    Cancel,
    Done,
    Failed,
    Finished,
    Generate,
    Load,
    Ready,
    Spell,
    Spelled,
    Started,
    Token,
)
from store.home import Home
from store.queries import counts, generation
from store.service import StoreService
from tests.hostile import HOSTILE
from tests.lab.engine_process import EngineProcess
from tests.models import tiny_model


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def engine(home: Path) -> Iterator[EngineProcess]:
    process = EngineProcess(home)
    yield process
    process.kill()


def asks(n: int, max_tokens: int = 12, prompt: str = "What does an archive keep?") -> tuple[Ask, ...]:
    sampling = Sampling(temperature=1.0, top_p=1.0, max_tokens=max_tokens)
    return tuple(Ask(prompt=prompt, sampling=sampling, seed=seed) for seed in range(n))


def stored(home: Path) -> StoreService:
    service = StoreService(Home.resolve(home))
    service.ingest()
    return service


def test_what_was_shown_is_what_is_stored(engine: EngineProcess, home: Path) -> None:
    engine.load(tiny_model("llama"))
    engine.send(Generate(request_id="g", asks=asks(3), batch_size=2))
    shown: dict[str, list[Token]] = {}
    finished: dict[str, Finished] = {}
    for event in engine.events():
        if isinstance(event, Started):
            shown[event.generation_id] = []
        elif isinstance(event, Token):
            shown[event.generation_id].append(event)
        elif isinstance(event, Finished):
            finished[event.generation_id] = event
        elif isinstance(event, Done):
            assert (event.done, event.total, event.cancelled) == (3, 3, False)
            break
    assert engine.close() == 0
    service = stored(home)
    assert service.query(counts)["generation"] == 3
    for generation_id, tokens in shown.items():
        kept = service.query(generation, generation_id)
        assert kept is not None
        assert kept.generation.text == "".join(event.token.text for event in tokens)
        assert kept.generation.text == finished[generation_id].generation["text"]
        trace = kept.generation.trace
        assert trace is not None
        assert list(trace.token_ids) == [event.token.token_id for event in tokens]
        assert list(trace.rank) == [event.token.rank for event in tokens]
        for stored_nats, event in zip(trace.entropy_nats, tokens, strict=True):
            assert stored_nats == pytest.approx(event.token.entropy_nats, abs=6e-4)
        for stored_nats, event in zip(trace.surprisal_nats, tokens, strict=True):
            assert stored_nats == pytest.approx(event.token.surprisal_nats, abs=6e-4)
    service.close()


def test_one_ask_streams_and_a_cancel_ends_it_within_a_token(engine: EngineProcess) -> None:
    engine.load(tiny_model("llama"))
    engine.send(Generate(request_id="g", asks=asks(1, max_tokens=100_000)))
    seen = 0
    for event in engine.events():
        if isinstance(event, Token):
            seen += 1
            if seen == 5:
                engine.send(Cancel(request_id="g"))
        if isinstance(event, Finished):
            assert event.generation["finish_reason"] == "cancelled"
            assert event.generation["n_tokens"] == seen
        if isinstance(event, Done):
            assert event.cancelled
            break
    assert seen < 100_000


def test_faults_are_said_and_the_engine_goes_on(engine: EngineProcess, tmp_path: Path) -> None:
    engine.send_line(b"\x1b[2J not json")
    engine.send_line(b"[" * 100_000)
    engine.send(Generate(request_id="early", asks=asks(1)))
    engine.send(Load(request_id="missing", model=str(tmp_path / "nowhere")))
    failures: list[Failed] = []
    for event in engine.events():
        assert isinstance(event, Ready | Failed)
        if isinstance(event, Failed):
            failures.append(event)
        if len(failures) == 4:
            break
    assert [failure.request_id for failure in failures] == [None, None, "early", "missing"]
    assert "no model is loaded" in failures[2].message
    assert "nowhere" in failures[3].message
    assert all("\n" not in failure.message for failure in failures)
    engine.load(tiny_model("llama"))
    engine.send(Spell(request_id="odd", token_ids=(5, 10**9)), Spell(request_id="even", token_ids=(5, 6, 5)))
    said = [event for _, event in zip(range(2), engine.events(), strict=False)]
    assert isinstance(said[0], Failed) and "there is no token 1000000000" in said[0].message
    assert isinstance(said[1], Spelled) and said[1].texts[0] == said[1].texts[2] != said[1].texts[1]


def test_hostile_prompts_are_answered_as_data(engine: EngineProcess, home: Path) -> None:
    texts = [text for text in HOSTILE.values() if text.strip() and len(text) < 1000]
    engine.load(tiny_model("llama"))
    hostile = tuple(Ask(prompt=text, sampling=Sampling(max_tokens=3), seed=0) for text in texts)
    engine.send(Generate(request_id="g", asks=hostile))
    ids: dict[int, str] = {}
    for event in engine.events():
        assert not isinstance(event, Failed), event.message
        if isinstance(event, Finished):
            ids[event.ask] = event.generation_id
        if isinstance(event, Done):
            break
    assert engine.close() == 0
    service = stored(home)
    for index, text in enumerate(texts):
        kept = service.query(generation, ids[index])
        assert kept is not None
        assert kept.generation.prompt == re.sub("[\ud800-\udfff]", "\ufffd", text)
    service.close()


def test_the_engine_leaves_when_its_terminal_does(engine: EngineProcess) -> None:
    engine.load(tiny_model("llama"))
    engine.send(Generate(request_id="g", asks=asks(1, max_tokens=100_000)))
    for event in engine.events():
        if isinstance(event, Token):
            break
    assert engine.close() == 0


def kill_rounds(home: Path, rounds: int, seed: int) -> None:
    """Kill engines at random moments; then everything they reported finished is in the store, once."""
    chance = random.Random(seed)
    reported: list[str] = []
    for _ in range(rounds):
        engine = EngineProcess(home)
        engine.load(tiny_model("llama"))
        engine.send(Generate(request_id="g", asks=asks(200, max_tokens=4), batch_size=4))
        heard = [event for _, event in zip(range(chance.randrange(400)), engine.events(), strict=False)]
        time.sleep(chance.uniform(0.0, 0.02))
        engine.kill()
        reported += [event.generation_id for event in heard if isinstance(event, Finished)]
        reported += engine.finished_so_far()
    service = stored(home)
    assert reported, "no round lived long enough to finish an answer"
    assert len(reported) == len(set(reported))
    missing = [
        generation_id for generation_id in reported if service.query(generation, generation_id) is None
    ]
    assert not missing
    assert service.query(counts)["generation"] >= len(reported)
    service.close()


@pytest.mark.slow
def test_a_killed_engine_loses_nothing_it_reported(home: Path) -> None:
    kill_rounds(home, rounds=3, seed=1)


@pytest.mark.slow
def test_many_killed_engines_lose_nothing_they_reported(home: Path) -> None:
    kill_rounds(home, rounds=70, seed=2)
