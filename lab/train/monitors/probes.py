"""The monitor "probes": answers to pinned questions, with their entropies against those of the base.

The base is the model without what this run or any run before it has learned: it answers once, before the
first step, behind closed gates. Answers are free-running, so their entropies mix the model and its path.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from lab.errors import LabError
from lab.measure.zones import load_table
from lab.models.load import LoadedModel
from lab.train.hooks import Findings, MonitorContext
from lab.train.monitors.answers import Answers, answer, asks_of, of_run, trained_beside_base
from lab.train.monitors.figures import Figures, counted, figures
from lab.train.monitors.floor import floor_nats, under_words, watched_nats, why_not
from lab.train.monitors.settings import LIVE, MonitorSettings, changed
from lab.train.settings import TrainSettings
from store.records import AdapterRecord, EventLevel

EARLY = (1, 5)
"""Looks before the first regular one, beside that at which judging begins."""


class Probes:
    """A monitor in the sense of `lab.train.hooks`."""

    name = "probes"

    def __init__(self, settings: MonitorSettings, train: TrainSettings, loaded: LoadedModel) -> None:
        """`loaded` is the base, before anything is made trainable or taken up.

        A full fine-tune that goes on from another overwrites the base: it has to answer now.
        """
        self._settings = settings
        self._asks = asks_of(settings)
        self._table = load_table(None)
        self._whole = train.fine_tune_type == "full"
        self._steps_per_eval = train.steps_per_eval
        self._goes_on = train.resume_adapter_file is not None
        self._base: Figures | None = None
        self._base_answers: Answers | None = None
        self._looks_under = 0
        self._off: str | None = None
        if self._whole and self._goes_on:
            self._base_answers = answer(loaded, self._asks)

    def is_due(self, step: int, *, evaluated: bool, last: bool) -> bool:
        """Before the first step, soon after it, every so many steps, and after the last.

        Weights of a full fine-tune are too big to be saved for the early looks.
        """
        if self._off is not None:
            return False
        early = not self._whole and step in (*EARLY, self._settings.judge_from)
        return last or early or step % self._settings.steps_between(self._steps_per_eval) == 0

    def measure(self, context: MonitorContext) -> Findings:
        """Ask the pinned questions. A model that cannot be decoded is said to be so, once."""
        began_s = time.perf_counter()
        try:
            base, now, adapter = self._asked(context)
        except LabError as error:
            self._off = str(error)
            return Findings(events=(("probes", "warning", f"no answers to pinned probes: {error}"),))
        if base is not None:
            self._base = figures(base.generations, self._table)
        before = self._base
        assert before is not None
        found = before if now is None else figures(now.generations, self._table)
        made = [answers for answers in (base, now) if answers is not None]
        spent = {
            "answer_tokens": float(sum(g.n_tokens for answers in made for g in answers.generations)),
            "wall_ms": 1e3 * (time.perf_counter() - began_s),
        }
        events, stop = self._held_to_floor(context.step, found, before)
        return Findings(
            values=self._values(context.step, found, before) | spent,
            words=self._words(context.step, found, before),
            records=(adapter, *(record for answers in made for record in answers.records)),
            generations=tuple(g for answers in made for g in answers.generations),
            scores=tuple(score for answers in made for score in answers.scores),
            events=events,
            stop=stop,
        )

    def set(self, key: str, value: object) -> str:
        """Change how often is looked, the floor, its patience, or whether it ends the run."""
        self._settings = changed(self._settings, key, value)
        self._looks_under = 0
        return f"probes.{key} is {getattr(self._settings, key)} from here on"

    def state(self) -> Mapping[str, Any]:
        return {
            "base": None if self._base is None else asdict(self._base),
            "looks_under": self._looks_under,
            "off": self._off,
            "live": {key: getattr(self._settings, key) for key in LIVE},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self._base = None if state["base"] is None else Figures(**state["base"])
        self._looks_under, self._off = int(state["looks_under"]), state["off"]
        self._settings = replace(self._settings, **state["live"])

    def _asked(self, context: MonitorContext) -> tuple[Answers | None, Answers | None, AdapterRecord]:
        """The base's answers, where they are not known yet, and those of the model in training.

        Without an adapter to go on from, the base is the model at step 0: one and the same answers.
        """
        adapter = context.adapter()
        base, now = self._base_answers, None
        self._base_answers = None
        with trained_beside_base(context.loaded, adapter) as variant:
            if self._base is None and base is None:
                base = answer(context.loaded, self._asks)
            if context.step > 0 or self._goes_on:
                now = answer(context.loaded, [replace(ask, adapter=variant) for ask in self._asks])
        place = f"{self.name}/{context.step}"
        return (
            None if base is None else of_run(base, context.run_id, f"{place}/base", None),
            None if now is None else of_run(now, context.run_id, place, adapter.id),
            adapter,
        )

    def _judged(self, step: int) -> bool:
        """Whether yes-or-no verdicts are given: of the base always, of what is trained not too soon."""
        return step == 0 or step >= self._settings.judge_from

    def _values(self, step: int, now: Figures, base: Figures) -> dict[str, float | None]:
        values: dict[str, float | None] = {
            "entropy_nats": now.entropy_nats,
            "base_entropy_nats": base.entropy_nats,
            "entropy_change_nats": _difference(now.entropy_nats, base.entropy_nats),
            "base_least_entropy_nats": base.least_entropy_nats,
            "base_greatest_entropy_nats": base.greatest_entropy_nats,
            "word_entropy_nats": now.word_entropy_nats,
            "base_word_entropy_nats": base.word_entropy_nats,
            "words": now.words,
            "base_words": base.words,
            "window_entropy_nats": now.window_nats,
            "answers": float(now.answers),
            "long_answers": float(now.long),
        }
        if self._judged(step):
            values["degenerate_answers"] = float(now.degenerate_answers)
        floor = floor_nats(self._settings, base)
        if floor is not None and why_not(self._settings, base) is None:
            name = "floor_entropy_nats" if self._settings.floor_of == "entropy" else "floor_word_entropy_nats"
            values[name] = floor
        return values

    def _words(self, step: int, now: Figures, base: Figures) -> dict[str, str]:
        words = {"base_zone": counted(base.zones)}
        if refusal := why_not(self._settings, base):
            words["floor"] = refusal
        if not self._judged(step):
            first = self._settings.judge_from
            return words | {"withheld": f"zone, degeneration and floor are not judged before step {first}"}
        reasons = f": {counted(now.degenerate)}" if now.degenerate else ""
        return words | {
            "zone": counted(now.zones),
            "degenerate": f"{now.degenerate_answers} of {now.answers} degenerate{reasons}",
        }

    def _held_to_floor(
        self, step: int, now: Figures, base: Figures
    ) -> tuple[tuple[tuple[str, EventLevel, str], ...], str | None]:
        """Events and a reason to stop; a look that cannot say anything of the floor counts neither way."""
        settings = self._settings
        floor, refusal = floor_nats(settings, base), why_not(settings, base)
        value = watched_nats(settings, now)
        if floor is None or refusal or value is None or step == 0 or not self._judged(step):
            return (), None
        self._looks_under = self._looks_under + 1 if value < floor else 0
        if self._looks_under < settings.patience:
            return (), None
        words = under_words(settings, now, floor, self._looks_under)
        if settings.stop:
            return (), words
        return ((("floor", "warning", words),) if self._looks_under == settings.patience else ()), None


def _difference(now: float | None, before: float | None) -> float | None:
    return None if now is None or before is None else now - before
