"""The workbench: events change answers, jobs and states as they should; nothing grows without bound."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path
from typing import Any

import pytest

from lab.decode.types import Sampling
from lab.errors import LabError
from lab.protocol import (
    Ask,
    Done,
    Failed,
    Finished,
    Loaded,
    Overlaid,
    Overlay,
    Progress,
    Ready,
    Started,
    Token,
    View,
)
from screens import workbench
from screens.workbench import Answer, Job, Workbench
from tests.screens.fake_engine import statistics


class SilentClient:
    """Takes commands and says nothing."""

    pid = 1

    def __init__(self) -> None:
        self.sent: list[tuple[str, Any]] = []
        self.n = 0

    def next_request_id(self) -> str:
        self.n += 1
        return f"r{self.n}"

    async def load(self, model: str, adapters: Any = (), request_id: str | None = None) -> str:
        self.sent.append(("load", (model, *adapters) if adapters else model))
        return request_id or "load"

    async def overlay(self, overlay: Overlay) -> None:
        self.sent.append(("overlay", overlay))

    async def generate(self, asks: Any, batch_size: int, request_id: str) -> str:
        self.sent.append(("generate", (len(asks), batch_size, request_id)))
        return request_id

    async def cancel(self, request_id: str) -> None:
        self.sent.append(("cancel", request_id))


def ask(**changes: Any) -> Ask:
    return Ask(**{"prompt": "why?", "sampling": Sampling(), "seed": 0, **changes})


@pytest.fixture
async def bench(tmp_path: Path) -> Workbench:
    made = Workbench(tmp_path, "wick", clock=iter(range(1000)).__next__)
    made._client = SilentClient()  # type: ignore[assignment]
    await apply(made, Ready(pid=1, device="cpu", backend="b"))
    await apply(made, Loaded(request_id="load", model={"name": "wick", "vocab_size": 10}, load_ms=1.0))
    return made


async def apply(bench: Workbench, event: Any) -> None:
    await bench._apply(event, bench._client)  # type: ignore[arg-type]


def started(request: str, generation: str, index: int) -> Started:
    return Started(
        request_id=request, generation_id=generation, ask=index, prompt_tokens=3, kernel_placement="none"
    )


def token(request: str, generation: str, index: int, token_id: int = 5) -> Token:
    stat = statistics(index, f" t{index}", token_id, seed=0)
    return Token(request_id=request, generation_id=generation, token=stat)


def finished(request: str, generation: str, index: int) -> Finished:
    record = {"tokens_per_second": 50.0, "finish_reason": "stop", "peak_memory_bytes": 1}
    return Finished(request_id=request, generation_id=generation, ask=index, generation=record)


async def test_rows_of_a_batch_do_not_mix(bench: Workbench) -> None:
    job = await bench.ask([ask(seed=0), ask(seed=1)], "battery", 2)
    await apply(bench, started("r1", "g0", 0))
    await apply(bench, started("r1", "g1", 1))
    for generation, index in [("g0", 0), ("g1", 0), ("g1", 1), ("g0", 1), ("g1", 2)]:
        await apply(bench, token("r1", generation, index))
    assert [answer.text for answer in job.answers] == [" t0 t1", " t0 t1 t2"]
    await apply(bench, finished("r1", "g1", 1))
    assert [answer.state for answer in job.answers] == ["running", "finished"]
    await apply(bench, Progress(request_id="r1", done=1, total=2, tokens_per_second=9.0, eta_s=4.0))
    assert (job.done, job.eta_s, job.tokens_per_second) == (1, 4.0, 9.0)
    await apply(bench, finished("r1", "g0", 0))
    await apply(bench, Done(request_id="r1", done=2, total=2, cancelled=False))
    assert job.over and bench.current_job is None


async def test_a_branch_repeats_its_parents_tokens_and_counts_its_own_speed(bench: Workbench) -> None:
    job = await bench.ask([ask(parent_id="p", prefix_token_ids=(5, 6))], "answer")
    await apply(bench, started("r1", "g", 0))
    for index in range(5):
        await apply(bench, token("r1", "g", index))
    answer = job.answers[0]
    assert [stat.index for stat in answer.tokens] == [0, 1, 2, 3, 4]
    assert answer.branch_token == 1
    # Tokens 2 to 4 are its own and came one tick of the clock apart: two steps in two seconds.
    assert answer.tokens_per_second == 1.0


def test_a_token_that_changes_an_earlier_one_is_a_new_revision() -> None:
    answer = Answer(ask(), "r")
    answer.take(statistics(0, "a", 1, seed=0), 0.0)
    answer.take(statistics(0, "a", 1, seed=0), 1.0)
    assert answer.revision == 0
    answer.take(statistics(0, "b", 2, seed=0), 2.0)
    assert (answer.revision, answer.text) == (1, "b")


async def test_what_is_not_begun_when_stopped_is_left_out(bench: Workbench) -> None:
    over: list[Job] = []
    bench.on_job_over.append(over.append)
    job = await bench.ask([ask(), ask()], "battery", 1)
    await apply(bench, started("r1", "g0", 0))
    await bench.cancel(job)
    assert job.cancelling
    await apply(bench, finished("r1", "g0", 0))
    await apply(bench, Done(request_id="r1", done=1, total=2, cancelled=True))
    assert (job.state, [answer.state for answer in job.answers]) == ("cancelled", ["finished", "failed"])
    assert over == [job]


async def test_a_failed_request_is_told_and_the_engine_goes_on(bench: Workbench) -> None:
    told: list[tuple[str, bool]] = []
    bench.on_fault.append(lambda message, fatal: told.append((message, fatal)))
    job = await bench.ask([ask()], "answer")
    await apply(bench, Failed(request_id="r1", message="no memory"))
    assert job.state == "failed" and job.answers[0].fault == "no memory"
    assert told == [("no memory", False)]
    assert bench.engine_state == "ready"


async def test_a_model_that_fails_to_load_leaves_none(bench: Workbench) -> None:
    loading = asyncio.create_task(bench.load("other"))
    await asyncio.sleep(0)
    assert bench.engine_state == "loading"
    await apply(bench, Failed(request_id="r1", message="no such model"))
    with pytest.raises(LabError, match="no such model"):
        await loading
    assert (bench.engine_state, bench.model) == ("empty", None)
    with pytest.raises(LabError, match="without a model"):
        await bench.ask([ask()], "answer")


async def test_a_model_is_loaded_with_its_adapters(bench: Workbench) -> None:
    loading = asyncio.create_task(bench.load("other", ["/a", "/b"]))
    await asyncio.sleep(0)
    assert bench._client.sent[-1] == ("load", ("other", "/a", "/b"))  # type: ignore[union-attr]
    adapters = ({"id": "a"}, {"id": "b"})
    await apply(bench, Loaded(request_id="r1", model={"name": "other"}, load_ms=1.0, adapters=adapters))
    await loading
    assert (bench.model, bench.adapters) == ({"name": "other"}, adapters)
    # A fresh engine gets the same again.
    await apply(bench, Ready(pid=1, device="cpu", backend="b"))
    assert bench._client.sent[-1] == ("load", ("other", "/a", "/b"))  # type: ignore[union-attr]


async def test_an_overlay_is_answered_or_its_fault_is_raised(bench: Workbench) -> None:
    told: list[tuple[str, bool]] = []
    bench.on_fault.append(lambda message, fatal: told.append((message, fatal)))
    asked = [asyncio.create_task(bench.overlay("why?", [1, 2], View(), View(adapter="a"))) for _ in range(3)]
    await asyncio.sleep(0)
    said = Overlaid(request_id="r1", generation_id=None, tokens=(), left_end=(), right_end=())
    await apply(bench, said)
    assert await asked[0] is said
    await apply(bench, Failed(request_id="r2", message="no such adapter"))
    with pytest.raises(LabError, match="no such adapter"):
        await asked[1]
    assert (told, bench.engine_state) == ([], "ready")
    bench._die("gone")
    with pytest.raises(LabError, match="the engine ended"):
        await asked[2]


async def test_without_a_model_nothing_can_be_asked(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="not running"):
        await Workbench(tmp_path, "wick").ask([ask()], "answer")


async def test_events_of_unknown_requests_are_ignored(bench: Workbench) -> None:
    for event in (token("x", "g", 0), finished("x", "g", 0), started("x", "g", 0)):
        await apply(bench, event)
    assert bench.answers == []


async def test_old_answers_are_forgotten_and_running_ones_kept(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbench, "ANSWERS_KEPT", 10)
    running = await bench.ask([ask()], "answer")
    await apply(bench, started("r1", "g", 0))
    for number in range(2, 30):
        await bench.ask([ask()], "answer")
        await apply(bench, Done(request_id=f"r{number}", done=0, total=1, cancelled=True))
    assert len(bench.answers) <= 12
    assert running.answers[0] in bench.answers
    assert len(bench.jobs) <= 12
    assert dataclasses.is_dataclass(running)


async def test_what_is_asked_before_the_model_is_there_waits_in_line(tmp_path: Path) -> None:
    bench = Workbench(tmp_path, "wick")
    bench._client = client = SilentClient()  # type: ignore[assignment]
    bench._set_state("starting")
    early = asyncio.create_task(bench.ask([ask()], "early"))
    await asyncio.sleep(0)
    assert not early.done()
    await apply(bench, Ready(pid=1, device="cpu", backend="b"))
    job = await early
    assert [name for name, _ in client.sent] == ["load", "generate"]
    assert bench.current_job is job
