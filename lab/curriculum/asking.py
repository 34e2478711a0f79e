"""Answers for measuring: those the store has are taken from it, the rest is made in one batch and kept.

Rows on the model alone and on its adapters go through the model together. The seed of an answer follows from
its probe and the number of the sample alone, so that two plans that ask the same share their answers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from lab.asks import ask_probe
from lab.conditions import condition
from lab.decode.loop import never
from lab.decode.types import Sampling
from lab.errors import LabError
from lab.kernels import Kernel
from lab.measure.instrument import Instrument, Reading
from lab.measure.score import INSTRUMENT as WORD_ENTROPY
from lab.measure.score import VERSION as WORD_ENTROPY_VERSION
from lab.protocol import Ask, Finished, Progress
from lab.scoring import instrument as find_instrument
from lab.scoring import score_record
from lab.session import Session
from store.queries.gates import GateAnswer, gate_answers, score_values
from store.records import GenerationRecord, ProbeRecord, ScoreRecord
from store.service import StoreService

GENERATION = "generation"
"""The instrument of what an answer is like, whatever it is worth: mean_entropy_nats, tokens, cut_off."""

SCORED_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Wanted:
    """One answer: of the model alone (None) or with an adapter, under a condition, to a probe, by number."""

    adapter: str | None
    condition: str
    probe: str
    sample: int


class StoppedError(Exception):
    """The caller asked to stop; what is finished is kept."""


def measuring_seed(seed: int, probe_sha256: str, sample: int) -> int:
    """The seed of an answer; 31 bits, so that no two probes share their luck."""
    text = f"measure/{seed}/{probe_sha256}/{sample}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big") >> 1


class Desk:
    """Collects what is wanted, has it answered, and says what instruments think of it."""

    def __init__(
        self,
        session: Session,
        store: StoreService,
        sampling: Sampling,
        kernels: Mapping[str, Kernel | None],
        *,
        seed: int = 0,
        instruments: Callable[[str], Instrument] = find_instrument,
    ) -> None:
        self._session, self._store = session, store
        self._sampling, self._kernels, self._seed = sampling, kernels, seed
        self._find = instruments
        self._conditions = {name: condition(kernel, sampling).id for name, kernel in kernels.items()}
        self._probes: dict[str, ProbeRecord] = {}
        self._wanted: dict[Wanted, None] = {}
        self._answers: dict[Wanted, GateAnswer] = {}
        self._values: dict[str, dict[str, Mapping[str, float | None]]] = {}

    def want(
        self,
        adapters: Iterable[str | None],
        under: str,
        probes: Sequence[ProbeRecord],
        samples: Iterable[int],
    ) -> None:
        """Ask these probes for these samples, of every one of `adapters`."""
        samples, adapters = list(samples), list(adapters)
        for probe in probes:
            self._probes[probe.sha256] = probe
            for sample in samples:
                for adapter in adapters:
                    self._wanted[Wanted(adapter, under, probe.sha256, sample)] = None

    @property
    def missing(self) -> list[Wanted]:
        """What is wanted and not answered yet, so far as is known."""
        return [wanted for wanted in self._wanted if wanted not in self._answers]

    @property
    def generation_ids(self) -> tuple[str, ...]:
        """The answers in hand, in the order in which they were wanted."""
        return tuple(self._answers[wanted].id for wanted in self._wanted if wanted in self._answers)

    def answer_all(
        self,
        *,
        batch_size: int = 8,
        should_stop: Callable[[], bool] = never,
        on_progress: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        """Take what the store has, and have the rest answered.

        Raises StoppedError when `should_stop` turns true; what is finished by then is kept.
        """
        self._take_stored()
        missing = self.missing
        if not missing:
            return
        asks = [self._ask(wanted) for wanted in missing]
        for event in self._session.generate("measure", asks, batch_size, should_stop):
            if isinstance(event, Progress):
                on_progress(event)
            elif isinstance(event, Finished) and event.generation["finish_reason"] != "cancelled":
                self._answers[missing[event.ask]] = _answer(GenerationRecord(**event.generation))
        if self.missing:
            raise StoppedError
        self._store.ingest()

    def answer(self, wanted: Wanted) -> GateAnswer:
        """The answer to what was wanted. Raises LabError where it is missing."""
        found = self._answers.get(wanted)
        if found is None:
            raise LabError(f"{self._probes[wanted.probe].id}: not answered yet")
        return found

    def value(self, wanted: Wanted, instrument: str, dimension: str) -> float | None:
        """What an instrument says of an answer by one dimension; None where it leaves that undefined."""
        known = self._values.setdefault(instrument, {})
        answer = self.answer(wanted)
        if answer.id not in known:
            self._score(instrument, known)
        return known[answer.id].get(dimension)

    def version(self, instrument: str) -> str:
        """The version of an instrument. Raises LabError when there is none of that name."""
        if instrument == GENERATION:
            return "1"
        return WORD_ENTROPY_VERSION if instrument == WORD_ENTROPY else self._find(instrument).version

    def _take_stored(self) -> None:
        self._store.ingest()
        missing = self.missing
        found = self._store.query(
            gate_answers,
            self._session.loaded.record.id,
            list({wanted.adapter for wanted in missing}),
            list({self._conditions[wanted.condition] for wanted in missing}),
            list({self._seed_of(wanted) for wanted in missing}),
        )
        by_ask = {(a.adapter_id, a.condition_id, a.probe_sha256, a.seed): a for a in found}
        for wanted in missing:
            under = self._conditions[wanted.condition]
            stored = by_ask.get((wanted.adapter, under, wanted.probe, self._seed_of(wanted)))
            if stored is not None:
                self._answers[wanted] = stored

    def _seed_of(self, wanted: Wanted) -> int:
        return measuring_seed(self._seed, wanted.probe, wanted.sample)

    def _ask(self, wanted: Wanted) -> Ask:
        kernel = self._kernels[wanted.condition]
        ask = ask_probe(self._probes[wanted.probe], kernel, self._sampling, self._seed_of(wanted))
        return replace(ask, adapter=wanted.adapter, alternatives=0)

    def _score(self, instrument: str, known: dict[str, Mapping[str, float | None]]) -> None:
        """Have every answer in hand that is not `known` judged; what the store has is taken from it."""
        unknown = {wanted: a for wanted, a in self._answers.items() if a.id not in known}
        if instrument == GENERATION:
            known.update({answer.id: _figures(answer) for answer in unknown.values()})
            return
        ids = [answer.id for answer in unknown.values()]
        known.update(self._store.query(score_values, ids, instrument, self.version(instrument)))
        if instrument == WORD_ENTROPY:
            return
        by, fresh = self._find(instrument), []
        for wanted, answer in unknown.items():
            if answer.id not in known:
                score = by.score(self._reading(wanted, answer))
                values = {name: one.value for name, one in score.dimensions.items()}
                known[answer.id] = {**values, "total": score.total}
                if score.total is not None:
                    fresh.append(score_record(answer.id, score, by))
        self._keep(fresh)

    def _keep(self, scores: Sequence[ScoreRecord]) -> None:
        for first in range(0, len(scores), SCORED_AT_ONCE):
            self._session.keep(*scores[first : first + SCORED_AT_ONCE])

    def _reading(self, wanted: Wanted, answer: GateAnswer) -> Reading:
        base = self._answers.get(Wanted(None, wanted.condition, wanted.probe, wanted.sample))
        return Reading(
            text=answer.text,
            prompt=answer.prompt,
            base_text=base.text if base is not None and wanted.adapter is not None else None,
            finish_reason=answer.finish_reason,
            n_tokens=answer.n_tokens,
            probe=self._probes[wanted.probe].extra,
        )


def _figures(answer: GateAnswer) -> Mapping[str, float | None]:
    return {
        "mean_entropy_nats": answer.mean_entropy_nats,
        "tokens": float(answer.n_tokens),
        "cut_off": float(answer.finish_reason == "length"),
    }


def _answer(made: GenerationRecord) -> GateAnswer:
    return GateAnswer(
        id=made.id,
        adapter_id=made.adapter_sha256,
        condition_id=made.condition_id,
        probe_sha256=made.probe_sha256 or "",
        seed=made.seed,
        prompt=made.prompt,
        text=made.text,
        finish_reason=made.finish_reason,
        n_tokens=made.n_tokens,
        mean_entropy_nats=made.mean_entropy_nats,
    )
