"""What is being worked on: the engine, its model, the answers under way and done. No widgets in here.

The engine's events change this state as they come; the screens look at it on their own clock, so that a burst
of tokens never becomes a burst of drawing.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from lab.decode.types import TokenStat
from lab.errors import LabError
from lab.protocol import (
    Ask,
    Done,
    Event,
    Failed,
    Finished,
    Loaded,
    Overlaid,
    Overlay,
    Progress,
    Ready,
    Spell,
    Spelled,
    Started,
    Token,
    View,
)
from screens.engine_client import EngineClient, EngineDiedError

ANSWERS_KEPT = 400

AnswerState = Literal["waiting", "running", "finished", "failed"]
EngineState = Literal["off", "starting", "loading", "ready", "empty", "dead"]


@dataclass(slots=True, eq=False)
class Answer:
    """One answer as far as it is known here. `revision` grows when earlier tokens were replaced."""

    ask: Ask
    request_id: str
    state: AnswerState = "waiting"
    generation_id: str | None = None
    tokens: list[TokenStat] = field(default_factory=list)
    revision: int = 0
    prompt_tokens: int = 0
    kernel_placement: str = ""
    record: Mapping[str, Any] | None = None
    first_token_at: float | None = None
    last_token_at: float | None = None
    fault: str = ""
    model_name: str = ""

    @property
    def text(self) -> str:
        return "".join(token.text for token in self.tokens)

    @property
    def branch_token(self) -> int | None:
        """The token that was chosen instead of the parent's, for a branch."""
        return len(self.ask.prefix_token_ids) - 1 if self.ask.prefix_token_ids else None

    @property
    def tokens_per_second(self) -> float | None:
        if self.record is not None:
            return float(self.record["tokens_per_second"])
        if self.first_token_at is None or self.last_token_at is None:
            return None
        elapsed = self.last_token_at - self.first_token_at
        own = len(self.tokens) - len(self.ask.prefix_token_ids)
        return (own - 1) / elapsed if elapsed > 0 and own > 1 else None

    def take(self, token: TokenStat, now: float) -> None:
        """The next token; one that is already here (a branch repeats its parent's) is replaced."""
        self.state = "running"
        if token.index >= len(self.ask.prefix_token_ids):
            self.first_token_at = self.first_token_at or now
            self.last_token_at = now
        if token.index < len(self.tokens):
            if self.tokens[token.index].token_id != token.token_id:
                self.revision += 1
            self.tokens[token.index] = token
        else:
            self.tokens.append(token)


@dataclass(slots=True, eq=False)
class Job:
    """One request for answers. A battery is a job of many; what Live asks is a job of one."""

    request_id: str
    title: str
    answers: list[Answer]
    done: int = 0
    tokens_per_second: float | None = None
    eta_s: float | None = None
    state: Literal["waiting", "running", "done", "cancelled", "failed"] = "waiting"
    cancelling: bool = False

    @property
    def total(self) -> int:
        return len(self.answers)

    @property
    def over(self) -> bool:
        return self.state in ("done", "cancelled", "failed")

    @property
    def is_battery(self) -> bool:
        return self.total > 1


class Workbench:
    """Owns the engine process and everything asked of it."""

    def __init__(
        self,
        home: Path,
        model: str,
        *,
        command: Sequence[str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.model_name = model
        self.model: Mapping[str, Any] | None = None
        self.adapter_paths: tuple[str, ...] = ()
        self.adapters: tuple[Mapping[str, Any], ...] = ()
        self.engine_state: EngineState = "off"
        self.fault = ""
        self.device = ""
        self.backend = ""
        self.jobs: OrderedDict[str, Job] = OrderedDict()
        self.answers: list[Answer] = []
        self.changes = 0
        self.on_finished: list[Callable[[Answer], None]] = []
        self.on_job_over: list[Callable[[Job], None]] = []
        self.on_fault: list[Callable[[str, bool], None]] = []
        self._home = home
        self._command = command
        self._clock = clock
        self._client: EngineClient | None = None
        self._by_generation: dict[str, Answer] = {}
        self._up = asyncio.Event()
        self._awaited: dict[str, asyncio.Future[Event]] = {}
        self._load_id: str | None = None

    @property
    def pid(self) -> int | None:
        return self._client.pid if self._client else None

    def adapter_name(self, adapter_id: str) -> str:
        """What an adapter is called, if it is loaded; else the start of its id."""
        names = (str(adapter["name"]) for adapter in self.adapters if adapter["id"] == adapter_id)
        return next(names, adapter_id[:12])

    @property
    def current_job(self) -> Job | None:
        """The job that is running, or the first in line."""
        return next((job for job in self.jobs.values() if not job.over), None)

    async def run(self) -> None:
        """Start the engine, load the model, and follow what it says until it ends or this is cancelled."""
        client = EngineClient(self._home, self._command)
        self._client = client
        self._set_state("starting")
        self.fault = ""
        try:
            await client.start()
            while True:
                event = await client.events.get()
                if isinstance(event, EngineDiedError):
                    self._die(str(event))
                    return
                await self._apply(event, client)
        except EngineDiedError as error:
            self._die(str(error))
        finally:
            await client.close()

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()

    async def load(self, model: str, adapters: Sequence[str] = ()) -> None:
        """Replace the model and its adapters, and wait until it is loaded. Raises LabError where it fails."""
        client = self._running()
        self.model_name, self.adapter_paths = model, tuple(adapters)
        self._set_state("loading")
        self._load_id = request_id = client.next_request_id()
        with self._awaiting(request_id) as reply:
            await client.load(model, self.adapter_paths, request_id)
            await reply

    async def overlay(
        self, prompt: str, token_ids: Sequence[int], left: View, right: View, generation_id: str | None = None
    ) -> Overlaid:
        """What both sides think of a text, token by token. Raises LabError when the engine cannot say."""
        client = self._running()
        request_id = client.next_request_id()
        with self._awaiting(request_id) as reply:
            await client.overlay(
                Overlay(
                    request_id=request_id,
                    prompt=prompt,
                    token_ids=tuple(token_ids),
                    left=left,
                    right=right,
                    generation_id=generation_id,
                )
            )
            said = await reply
        assert isinstance(said, Overlaid)
        return said

    async def spell(self, token_ids: Sequence[int]) -> Mapping[int, str]:
        """The texts of tokens, by the loaded model. Raises LabError when the engine cannot say."""
        client = self._running()
        request_id = client.next_request_id()
        with self._awaiting(request_id) as reply:
            await client.spell(Spell(request_id=request_id, token_ids=tuple(token_ids)))
            said = await reply
        assert isinstance(said, Spelled)
        return dict(zip(token_ids, said.texts, strict=True))

    def _running(self) -> EngineClient:
        if self._client is None or self.engine_state in ("off", "dead"):
            raise LabError("the engine is not running; Ctrl+R restarts it")
        return self._client

    @contextmanager
    def _awaiting(self, request_id: str) -> Iterator[asyncio.Future[Event]]:
        """The reply to a request of one answer; its failure is raised to who awaits it."""
        reply: asyncio.Future[Event] = asyncio.get_running_loop().create_future()
        self._awaited[request_id] = reply
        try:
            yield reply
        finally:
            del self._awaited[request_id]
            reply.cancel()

    async def ask(self, asks: Sequence[Ask], title: str, batch_size: int = 8) -> Job:
        """Put asks to the engine; they wait in line behind what is under way, the loading of a model too."""
        if self.engine_state == "starting":
            await self._up.wait()
        if self._client is None or self.engine_state not in ("loading", "ready"):
            raise LabError(f"no answers now: the engine is {self._state_in_words()}")
        request_id = self._client.next_request_id()
        name = str(self.model["name"]) if self.model else self.model_name
        answers = [Answer(ask, request_id, model_name=name) for ask in asks]
        job = Job(request_id, title, answers)
        self.jobs[request_id] = job
        self.answers.extend(answers)
        self._forget_old()
        self._changed()
        await self._client.generate(asks, batch_size, request_id)
        return job

    async def cancel(self, job: Job) -> None:
        """Stop a job within one token; finished answers stay."""
        job.cancelling = True
        self._changed()
        if self._client is not None:
            await self._client.cancel(job.request_id)

    def _state_in_words(self) -> str:
        words = {
            "empty": "without a model; Ctrl+L loads one",
            "dead": "not running; Ctrl+R restarts it",
        }
        return words.get(self.engine_state, "not running")

    async def _apply(self, event: Event, client: EngineClient) -> None:
        if isinstance(event, Ready):
            self.device, self.backend = event.device, event.backend
            self._set_state("loading")
            self._load_id = await client.load(self.model_name, self.adapter_paths)
        elif isinstance(event, Loaded):
            self.model, self.adapters = event.model, event.adapters
            self._set_state("ready")
            self._reply(event.request_id, event)
        elif isinstance(event, Overlaid | Spelled):
            self._reply(event.request_id, event)
        elif isinstance(event, Started):
            self._started(event)
        elif isinstance(event, Token):
            if answer := self._by_generation.get(event.generation_id):
                answer.take(event.token, self._clock())
        elif isinstance(event, Finished):
            self._finished(event)
        elif isinstance(event, Progress):
            if job := self.jobs.get(event.request_id):
                job.done, job.eta_s = event.done, event.eta_s
                job.tokens_per_second = event.tokens_per_second
        elif isinstance(event, Done):
            self._done(event)
        elif isinstance(event, Failed):
            self._failed(event)
        self._changed()

    def _started(self, event: Started) -> None:
        if (job := self.jobs.get(event.request_id)) and event.ask < job.total:
            answer = job.answers[event.ask]
            job.state = "running"
            answer.state = "running"
            answer.generation_id = event.generation_id
            if self.model:
                answer.model_name = str(self.model["name"])
            self._by_generation[event.generation_id] = answer
            answer.prompt_tokens = event.prompt_tokens
            answer.kernel_placement = event.kernel_placement

    def _finished(self, event: Finished) -> None:
        if answer := self._by_generation.pop(event.generation_id, None):
            answer.state = "finished"
            answer.record = event.generation
            self.jobs[event.request_id].done += 1
            for listener in self.on_finished:
                listener(answer)

    def _done(self, event: Done) -> None:
        if job := self.jobs.get(event.request_id):
            job.done = event.done
            job.state = "cancelled" if event.cancelled else "done"
            self._job_over(job)

    def _failed(self, event: Failed) -> None:
        job = self.jobs.get(event.request_id) if event.request_id else None
        if job is not None:
            job.state = "failed"
            self._job_over(job, event.message)
        elif event.request_id == self._load_id:
            # The engine lets the old model go before it loads another.
            self.model, self.adapters = None, ()
            self.fault = event.message
            self._set_state("empty")
        awaited = self._awaited.get(event.request_id or "")
        if awaited is not None:
            awaited.set_exception(LabError(event.message))
            return
        for listener in self.on_fault:
            listener(event.message, False)

    def _reply(self, request_id: str, event: Event) -> None:
        awaited = self._awaited.get(request_id)
        if awaited is not None and not awaited.done():
            awaited.set_result(event)

    def _die(self, message: str) -> None:
        self.fault = message
        self.model, self.adapters = None, ()
        self._set_state("dead")
        for reply in self._awaited.values():
            if not reply.done():
                reply.set_exception(LabError("the engine ended before it could answer"))
        for job in self.jobs.values():
            if not job.over:
                job.state = "failed"
                self._job_over(job, "the engine ended")
        for listener in self.on_fault:
            listener(message, True)

    def _job_over(self, job: Job, fault: str = "stopped before it began") -> None:
        for answer in job.answers:
            if answer.state in ("waiting", "running"):
                answer.state, answer.fault = "failed", fault
                self._by_generation.pop(answer.generation_id or "", None)
        for listener in self.on_job_over:
            listener(job)

    def _set_state(self, state: EngineState) -> None:
        self.engine_state = state
        if state == "starting":
            self._up.clear()
        else:
            self._up.set()
        self._changed()

    def _changed(self) -> None:
        self.changes += 1

    def _forget_old(self) -> None:
        """Keep the newest answers and the jobs that still have one."""
        if len(self.answers) > ANSWERS_KEPT:
            self.answers = [
                answer for answer in self.answers[:-ANSWERS_KEPT] if answer.state in ("waiting", "running")
            ] + self.answers[-ANSWERS_KEPT:]
            alive = {answer.request_id for answer in self.answers}
            for request_id in [key for key, job in self.jobs.items() if job.over and key not in alive]:
                del self.jobs[request_id]
