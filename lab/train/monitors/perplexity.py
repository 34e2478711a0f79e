"""The monitor "perplexity": held-out perplexity against that before the run, two kinds kept apart (seed 004).

Behavioral is the run's own held-out data, as the loop measures it; general is data that has nothing to do
with the run: where that rises, the model forgets. Bounds are in per cent of what it was before the run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.models.load import LoadedModel
from lab.train.data.examples import Encoding, encode
from lab.train.data.rows import general_rows, read_rows, split_file
from lab.train.evaluation import evaluate
from lab.train.hooks import Findings, MonitorContext
from lab.train.monitors.settings import LIVE, MonitorSettings, changed
from lab.train.ranks import Ranks
from lab.train.settings import TrainSettings
from lab.train.sft import GENERAL, Sft
from store.records import EventLevel

Event = tuple[str, EventLevel, str]
KINDS = ("behavioral", "general")
REMEDIES = {
    "behavioral": "it learns its examples by heart: fewer steps, or a lower rate",
    "general": "it forgets: more replay, a lower rate, or examples of the lost skill",
}


class Perplexity:
    """A monitor in the sense of `lab.train.hooks`."""

    name = "perplexity"

    def __init__(self, settings: MonitorSettings, train: TrainSettings, loaded: LoadedModel) -> None:
        """Read the general data. Raises LabError where a file of one's own has nothing to measure."""
        self._settings = settings
        self._sft = Sft()
        self._batch_size = train.batch_size
        self._examples = _general(settings.general, train, loaded).examples if settings.general else []
        self._before: dict[str, float] = {}
        self._said: dict[str, str] = {}
        self._sound_step = 0

    def is_due(self, step: int, *, evaluated: bool, last: bool) -> bool:
        """Whenever held-out loss is measured."""
        return evaluated

    def measure(self, context: MonitorContext) -> Findings:
        """Both perplexities, their change since before the run, and events where a bound is crossed."""
        now = self._perplexities(context)
        if context.step == 0:
            self._before = dict(now)
        values: dict[str, float | None] = {}
        events: list[Event] = []
        for kind in KINDS:
            if kind not in now or kind not in self._before:
                continue
            change = 100.0 * (now[kind] / self._before[kind] - 1.0)
            values |= {
                kind: now[kind],
                f"{kind}_before": self._before[kind],
                f"{kind}_change_percent": change,
            }
            events += self._crossed(context.step, kind, now[kind], change)
        if values:
            values |= {
                "warn_percent": self._settings.warn_percent,
                "rollback_percent": self._settings.rollback_percent,
            }
        if not any(state == "rollback" for state in self._said.values()):
            self._sound_step = context.step
        return Findings(values=values, events=events)

    def set(self, key: str, value: object) -> str:
        """Change a bound."""
        self._settings = changed(self._settings, key, value)
        return f"perplexity.{key} is {getattr(self._settings, key)} from here on"

    def state(self) -> Mapping[str, Any]:
        return {
            "before": self._before,
            "said": self._said,
            "sound_step": self._sound_step,
            "live": {key: getattr(self._settings, key) for key in LIVE},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self._before, self._said = dict(state["before"]), dict(state["said"])
        self._sound_step = int(state["sound_step"])
        self._settings = replace(self._settings, **state["live"])

    def _perplexities(self, context: MonitorContext) -> dict[str, float]:
        found: dict[str, float] = {}
        if context.valid_loss_nats is not None and context.objective.name == Sft.name:
            found["behavioral"] = math.exp(min(context.valid_loss_nats, 700.0))
        if self._examples:
            measured = evaluate(context.net, self._sft, self._examples, self._batch_size, Ranks())
            found["general"] = measured.perplexity
        return {kind: value for kind, value in found.items() if math.isfinite(value)}

    def _crossed(self, step: int, kind: str, now: float, change: float) -> list[Event]:
        """An event where a bound is crossed, in either direction; in the first steps none is judged."""
        if step < self._settings.judge_from:
            return []
        state = "sound"
        if change > self._settings.rollback_percent:
            state = "rollback"
        elif change > self._settings.warn_percent:
            state = "warn"
        if state == self._said.get(kind, "sound"):
            return []
        self._said[kind] = state
        measured = (
            f"{kind} perplexity is {change:+.1f} % against before the run "
            f"({self._before[kind]:.4g} then, {now:.4g} now)"
        )
        if state == "sound":
            return [("perplexity", "info", f"{measured}: within its bounds again")]
        if state == "warn":
            bound = f"past the warning at {self._settings.warn_percent:+g} %"
            return [("perplexity", "warning", f"{measured}, {bound}: {REMEDIES[kind]}")]
        bound = f"past the bound of {self._settings.rollback_percent:+g} %"
        back = (
            f"the last step within it was {self._sound_step}: stop and take its checkpoint, or go back to "
            "what was before the run (Z on the Train screen, `lantern adapter rollback`)"
        )
        return [("rollback", "warning", f"{measured}, {bound}; {back}")]


def _general(source: str, train: TrainSettings, loaded: LoadedModel) -> Encoding:
    """The general data as examples; their answers are what is predicted, where they have questions."""
    if source == GENERAL:
        rows, path, masked = general_rows(held_out=True), "the held-out general questions", True
    else:
        file = split_file(Path(source).expanduser(), "valid") or split_file(
            Path(source).expanduser(), "train"
        )
        if file is None:
            raise LabError(
                f"monitors.general: {source}: expected a data directory, a JSONL file or {GENERAL}"
            )
        rows, path = read_rows(file, train).rows, str(file)
        masked = all(row.messages for row in rows)
    return encode(
        rows,
        loaded.tokenizer,
        source=path,
        mask_prompt=masked,
        max_seq_length=train.max_seq_length,
    )
