"""What the Runs & gates screen lists: curricula, gates, strips, experiments, adapters; from the store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from screens.store_link import StoreLink
    from store.queries.gates import StoredStrip
    from store.records import CurriculumRecord, PhaseRecord

Kind = Literal["curricula", "gates", "strips", "experiments", "adapters"]
KINDS: tuple[Kind, ...] = get_args(Kind)
MOST = 500
"""So many of the newest of each kind are listed."""

State = Literal["good", "amber", "bad", "none"]


@dataclass(frozen=True, slots=True)
class CurriculumStory:
    """A curriculum as planned, and everything that happened to its phases."""

    plan: CurriculumRecord
    events: tuple[PhaseRecord, ...]


Thing = Any


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the list; `thing` is what it stands for."""

    kind: Kind
    id: str
    title: str
    beside: str
    word: str
    state: State
    at: str
    thing: Thing


VERDICT_STATES: dict[str, State] = {"pass": "good", "amber": "amber", "fail": "bad"}
STRIP_STATES: dict[str, State] = {"ok": "good", "warn": "amber", "rollback": "bad"}
PHASE_STATES: dict[str, State] = {"done": "good", "begun": "amber", "failed": "bad", "undone": "bad"}


class RunsSource:
    """Reads the lists; each kind is one query."""

    def __init__(self, store: StoreLink) -> None:
        self._store = store

    @property
    def is_open(self) -> bool:
        return self._store.open.is_set()

    async def entries(self, kind: Kind) -> list[Entry]:
        """The newest of a kind."""
        match kind:
            case "curricula":
                return await self._curricula()
            case "gates":
                return await self._gates()
            case "strips":
                return await self._strips()
            case "experiments":
                return await self._experiments()
            case "adapters":
                return await self._adapters()

    async def story(self, curriculum_id: str) -> CurriculumStory | None:
        """A curriculum with what happened to it."""
        from store.queries import curricula

        plan = await self._store.query(curricula.curriculum, curriculum_id)
        if plan is None:
            return None
        return CurriculumStory(plan, tuple(await self._store.query(curricula.phase_events, curriculum_id)))

    async def trend(self, run_id: str) -> list[StoredStrip]:
        """The strips of a run's checkpoints, by step."""
        from store.queries import gates

        return await self._store.query(gates.strip_trend, run_id)

    async def _curricula(self) -> list[Entry]:
        from store.queries import curricula

        rows = await self._store.query(curricula.page_curricula, 0, MOST)
        return [
            Entry(
                "curricula",
                row.id,
                row.name,
                f"{row.last_phase} · {row.last_stage}" if row.last_phase else f"{len(row.phases)} phases",
                row.last_state or "planned",
                PHASE_STATES.get(row.last_state or "", "none"),
                row.last_at or row.at,
                row,
            )
            for row in rows
        ]

    async def _gates(self) -> list[Entry]:
        from functools import partial

        from store.queries import gates

        found = await self._store.query(partial(gates.gates, limit=MOST))
        return [
            Entry(
                "gates",
                gate.record.id,
                gate.record.plan,
                judged_on(gate.adapter_name, gate.record.step),
                gate.record.verdict,
                VERDICT_STATES[gate.record.verdict],
                gate.record.at,
                gate,
            )
            for gate in found
        ]

    async def _strips(self) -> list[Entry]:
        from functools import partial

        from store.queries import gates

        found = await self._store.query(partial(gates.strips, limit=MOST))
        return [
            Entry(
                "strips",
                strip.record.id,
                strip.adapter_name or "the model alone",
                _beside_strip(strip),
                strip.record.state,
                STRIP_STATES.get(strip.record.state, "none"),
                strip.record.at,
                strip,
            )
            for strip in found
        ]

    async def _experiments(self) -> list[Entry]:
        from store.queries import gates

        return [
            Entry(
                "experiments",
                one.id,
                one.name or one.hypothesis,
                one.hypothesis if one.name else "",
                "decided" if one.verdict else "open",
                "good" if one.verdict else "none",
                one.entries[-1].at,
                one,
            )
            for one in await self._store.query(gates.experiments)
        ]

    async def _adapters(self) -> list[Entry]:
        from store.queries.adapters import page_adapters

        return [
            Entry(
                "adapters",
                row.id,
                row.run_name or row.name,
                f"step {row.step:,} · {row.reason}" if row.step is not None else row.fine_tune_type,
                f"{row.n_answers:,}" if row.n_answers else "–",
                "none",
                row.at,
                row,
            )
            for row in await self._store.query(page_adapters, 0, MOST)
        ]


def _beside_strip(strip: StoredStrip) -> str:
    against = f"against {strip.reference_name or 'the base'}"
    return against if strip.record.step is None else f"step {strip.record.step:,} · {against}"


def judged_on(adapter: str | None, step: int | None) -> str:
    """What was looked at: "evening, step 50", or the model alone."""
    if adapter is None:
        return "the model alone"
    return adapter if step is None else f"{adapter}, step {step:,}"
