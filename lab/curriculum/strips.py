"""The safety strip of an adapter: what else changed beside what was trained, held against a reference.

Answers come from the store where it has them. Binary measures are withheld before step 10 or so, for behavior
has not crossed its threshold yet; continuous ones are told from the first step on (seed 004).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from lab.curriculum import direction
from lab.curriculum.asking import Desk, StoppedError, Wanted
from lab.curriculum.gate_figures import Observation, figure
from lab.curriculum.gate_plan import BASE, BASELINE, GENERAL, GateSpec
from lab.curriculum.heldout import read_texts, text_losses
from lab.curriculum.inside_strip import (
    HIDDEN,
    LayerSteering,
    shifts,
    steering_by_layer,
    steering_shifts,
)
from lab.curriculum.measuring import ANY_MANNER, NOWHERE, Manner, Origin, probes_of
from lab.curriculum.strip_settings import Limits, StripSettings, refuse_unknown, state_of
from lab.errors import LabError
from lab.measure.steering import SEED_CONSISTENCY
from lab.measure.style import Drift, drift, style
from lab.sampling import load_preset
from lab.session import Session
from lab.train.net import split
from store.ids import new_id, utc_now
from store.records import ProbeRecord, Shift, StripRecord, StripRow, StripState
from store.service import StoreService

CONFIDENCE = 0.95
BINARY = frozenset({"refusal", "sycophancy", "capability", "degeneration"})
"""Groups whose rates are withheld in the first steps; what of them is continuous is not."""
ORDER: Sequence[StripState] = ("rollback", "warn", "ok", "withheld", "shown")


@dataclass(frozen=True, slots=True)
class Monitor:
    """A monitor that is a rate of answers: whose answers, and by which dimension of which instrument."""

    group: str
    name: str
    battery: str
    instrument: str
    dimension: str


RATES = (
    Monitor("refusal", "safe requests declined", "refusal", "refusal", "over_refusal"),
    Monitor("refusal", "unsafe requests answered", "refusal", "refusal", "missed_refusal"),
    Monitor("capability", "right answers", "capability", "capability", "correct"),
    Monitor("degeneration", "degenerate answers", "core", "degeneration", "degenerate"),
)
LEANS = (
    Monitor("sycophancy", "accepts wrong directions", "direction", "direction", "accepts_wrong"),
    Monitor("sycophancy", "accepts clear directions", "direction", "direction", "accepts_clear"),
)
BOUNDABLE: Mapping[str, None] = dict.fromkeys(
    (
        "perplexity/general",
        "perplexity/behavioral",
        *(f"{one.group}/{one.name}" for one in (*RATES, *LEANS)),
        "sycophancy/leans to accept wrong directions",
        "sycophancy/leans to accept clear directions",
        "style/drift beyond sampling",
    )
)


def take_strip(
    session: Session,
    store: StoreService,
    adapter: str | Path,
    settings: StripSettings,
    *,
    reference: str | Path | None = None,
    behavioral: str | None = None,
    origin: Origin = NOWHERE,
    manner: Manner = ANY_MANNER,
) -> StripRecord:
    """Measure a strip and keep it. `behavioral` is held-out data of what was trained (a data directory).

    Raises LabError for what cannot be measured, StoppedError when stopped.
    """
    refuse_unknown(settings, BOUNDABLE)
    paths = [str(path) for path in (adapter, reference) if path is not None]
    ids = [record.id for record in session.attach(paths)]
    taker = _Taker(session, store, settings, ids[0], ids[1] if len(ids) > 1 else None, manner, origin.step)
    rows = [*taker.perplexities(behavioral), *taker.answers(), *taker.leanings()]
    inside, moved = taker.inside()
    rows += moved
    record = StripRecord(
        id=new_id(),
        model_id=session.loaded.record.id,
        adapter_id=ids[0],
        reference_id=taker.reference,
        run_id=origin.run_id,
        step=origin.step,
        state=worst([row.state for row in rows]),
        rows=tuple(rows),
        shifts=tuple(inside),
        at=utc_now(),
        settings=_as_kept(settings, behavioral),
    )
    session.keep(record)
    store.ingest()
    return record


def worst(states: Sequence[StripState]) -> StripState:
    """The state of a whole strip: that of its worst row."""
    return next((state for state in ORDER if state in states), "shown")


class _Taker:
    """Measures the parts of one strip."""

    def __init__(
        self,
        session: Session,
        store: StoreService,
        settings: StripSettings,
        tuned: str,
        reference: str | None,
        manner: Manner,
        step: int | None,
    ) -> None:
        self._session, self._store, self._settings, self._manner = session, store, settings, manner
        self._tuned, self.reference = tuned, reference
        self._early = step is not None and step < settings.binary_from_step
        self._net = split(session.loaded.model)

    def perplexities(self, behavioral: str | None) -> Iterator[StripRow]:
        """Held-out perplexity, general and behavioral apart."""
        yield self._perplexity("general", GENERAL)
        if behavioral is not None:
            yield self._perplexity("behavioral", behavioral)

    def answers(self) -> Iterator[StripRow]:
        """What answers say: refusals both ways, capability, degeneration; and the drift of their style."""
        sampling = load_preset(self._settings.preset)
        if self._settings.max_tokens is not None:
            sampling = replace(sampling, max_tokens=self._settings.max_tokens)
        desk = Desk(
            self._session,
            self._store,
            sampling,
            {BASELINE: None},
            seed=self._settings.seed,
            instruments=self._manner.instruments,
        )
        core = self._probes("core")
        asked = {} if self._early else {one.battery: self._probes(one.battery) for one in RATES}
        for probes in (core, *asked.values()):
            desk.want((self._tuned, self.reference), BASELINE, probes, [0])
        desk.want((self.reference,), BASELINE, core, [1])
        desk.answer_all(
            batch_size=self._manner.batch_size,
            should_stop=self._manner.should_stop,
            on_progress=self._manner.on_progress,
        )
        for one in RATES:
            yield self._withheld(one) if self._early else self._rate(one, desk, asked[one.battery])
        yield self._style(desk, core)

    def leanings(self) -> Iterator[StripRow]:
        """Sycophancy: accepting wrong directions beside accepting clear ones."""
        probes = self._probes("direction")
        loaded = self._session.loaded
        after = direction.leanings(loaded, probes, self._tuned, net=self._net)
        before = direction.leanings(loaded, probes, self.reference, net=self._net)
        pairs = list(zip(probes, after, before, strict=True))
        for one in LEANS:
            if self._early:
                yield self._withheld(one)
                continue
            seen = [
                Observation(
                    probe.source_probe or probe.id,
                    mine.dimensions()[one.dimension],
                    theirs.dimensions()[one.dimension],
                )
                for probe, mine, theirs in pairs
            ]
            words = "which of two written replies the model finds likelier"
            yield self._compared(one.group, one.name, "rate", seen, words)
        for kind, name in ((direction.WRONG, "wrong"), (direction.CLEAR, "clear")):
            seen = [
                Observation(probe.source_probe or probe.id, mine.acceptance, theirs.acceptance)
                for probe, mine, theirs in pairs
                if mine.kind == kind
            ]
            words = "log-probability per token, accepting reply less the other; moves from the first step"
            yield self._compared(
                "sycophancy", f"leans to accept {name} directions", "mean", seen, words, unit="nats/token"
            )

    def inside(self) -> tuple[list[Shift], list[StripRow]]:
        """Shifts by layer and head, and the rows that sum them up."""
        loaded = self._session.loaded
        texts = read_texts(GENERAL, loaded)
        n = min(self._settings.texts, len(texts))
        texts = [texts[place * len(texts) // n] for place in range(n)]
        found = shifts(
            loaded, texts, self.reference, self._tuned, self._settings.inside_tokens, self._stop_if_asked
        )
        probes = self._probes("direction", self._settings.steering_pairs)
        layers = steering_by_layer(loaded, probes, self.reference, self._tuned, self._stop_if_asked)
        return [*found, *steering_shifts(layers)], [*_shift_rows(found), *_steering_rows(layers)]

    def _stop_if_asked(self) -> None:
        if self._manner.should_stop():
            raise StoppedError

    def _probes(self, battery: str, limit: int | None = None) -> list[ProbeRecord]:
        wanted = GateSpec(
            name=battery,
            metric="mean",
            instrument="",
            battery=battery,
            limit=limit or self._settings.probes.get(battery),
        )
        return probes_of(wanted, self._store, "strip")

    def _perplexity(self, name: str, data: str) -> StripRow:
        texts = read_texts(data, self._session.loaded)
        rows = self._manner.batch_size
        after = text_losses(self._session.loaded, texts, self._tuned, net=self._net, batch_rows=rows)
        before = text_losses(self._session.loaded, texts, self.reference, net=self._net, batch_rows=rows)
        seen = [
            Observation(f"line {text.line}", float(mine), float(theirs), float(weight))
            for text, mine, theirs, weight in zip(texts, after.nats, before.nats, after.tokens, strict=True)
        ]
        return self._compared(
            "perplexity",
            name,
            "perplexity",
            seen,
            f"{int(after.tokens.sum())} tokens held out",
            value=after.perplexity,
        )

    def _rate(self, one: Monitor, desk: Desk, probes: Sequence[ProbeRecord]) -> StripRow:
        def value(side: str | None, probe: ProbeRecord) -> float | None:
            return desk.value(Wanted(side, BASELINE, probe.sha256, 0), one.instrument, one.dimension)

        seen = [
            Observation(
                probe.source_probe or probe.id, value(self._tuned, probe), value(self.reference, probe)
            )
            for probe in probes
        ]
        version = desk.version(one.instrument)
        return self._compared(one.group, one.name, "rate", seen, f"{one.instrument} {version}")

    def _compared(
        self,
        group: str,
        name: str,
        metric: str,
        seen: Sequence[Observation],
        words: str,
        *,
        value: float | None = None,
        unit: str = "",
    ) -> StripRow:
        """A monitor whose change is the paired difference of both sides."""
        spec = GateSpec(name=name, metric=metric, instrument=group, against=BASE)  # type: ignore[arg-type]
        try:
            found = figure(spec, seen, (), CONFIDENCE)
        except LabError as error:
            return _row(group, name, self._settings.limits(group, name), words=str(error))
        if value is None:
            value = (found.reference or 0.0) + (found.estimate.value or 0.0)
        return _row(
            group,
            name,
            self._settings.limits(group, name),
            value=value,
            reference=found.reference,
            change=found.estimate.value,
            lower=found.estimate.lower,
            upper=found.estimate.upper,
            unit=found.unit or unit,
            n=found.estimate.n,
            method=found.estimate.method,
            words=words,
        )

    def _withheld(self, one: Monitor) -> StripRow:
        limits = self._settings.limits(one.group, one.name)
        first = self._settings.binary_from_step
        row = _row(
            one.group, one.name, limits, words=f"withheld before step {first}: too early to judge behavior"
        )
        return replace(row, state="withheld")

    def _style(self, desk: Desk, probes: Sequence[ProbeRecord]) -> StripRow:
        def features(side: str | None, sample: int) -> np.ndarray:
            answers = [desk.answer(Wanted(side, BASELINE, probe.sha256, sample)) for probe in probes]
            return np.stack([style(answer.text) for answer in answers])

        found = drift(features(self.reference, 0), features(self._tuned, 0), features(self.reference, 1))
        group, name = "style", "drift beyond sampling"
        return _row(
            group,
            name,
            self._settings.limits(group, name),
            value=found.distance,
            reference=found.floor,
            change=found.excess,
            lower=found.lower,
            upper=found.upper,
            unit="sd",
            n=found.n,
            method="percentile bootstrap over probes",
            words=_style_words(found),
        )


def _row(
    group: str,
    name: str,
    limits: Limits,
    *,
    value: float | None = None,
    reference: float | None = None,
    change: float | None = None,
    lower: float | None = None,
    upper: float | None = None,
    unit: str = "",
    n: int = 0,
    method: str = "",
    words: str = "",
) -> StripRow:
    state, why = state_of(limits, change, lower, upper)
    return StripRow(
        group=group,
        name=name,
        state=state,
        value=value,
        reference=reference,
        change=change,
        lower=lower,
        upper=upper,
        unit=unit,
        n=n,
        warn=str(limits.warn) if limits.warn else None,
        rollback=str(limits.rollback) if limits.rollback else None,
        method=method,
        evidence="; ".join(part for part in (why, words) if part),
    )


def _style_words(found: Drift) -> str:
    if not found.strongest:
        return "not one feature moved"
    moved = ", ".join(f"{name} {value:+.2f}" for name, value in found.strongest)
    return f"moved most, in sd: {moved}; the floor is two sets of reference answers"


def _shift_rows(found: Sequence[Shift]) -> Iterator[StripRow]:
    """The strongest of each measure; nothing is said to be too much."""
    names = {
        "attention_l2": ("attention", "strongest shift of a head", "L2"),
        "decay_change": ("delta net", "strongest change of decay", ""),
        "write_change": ("delta net", "strongest change of the write gate", ""),
        "state_norm_change": ("delta net", "strongest change of a state's norm", "ratio"),
        HIDDEN: ("hidden states", "least cosine of a layer", "cosine"),
    }
    for measure in dict.fromkeys(shift.measure for shift in found):
        some = [shift for shift in found if shift.measure == measure]
        group, name, unit = names[measure]
        first = some[0]
        where = f"layer {first.layer}" + ("" if first.head is None else f", head {first.head}")
        mean = float(np.mean([abs(shift.value) for shift in some]))
        words = f"{where}; mean over {len(some)} {'layers' if first.head is None else 'heads'} {mean:.4f}"
        yield _row(group, name, Limits(), value=first.value, unit=unit, n=first.n, words=words)


def _steering_rows(layers: Sequence[LayerSteering]) -> Iterator[StripRow]:
    """The middle layer, which is chosen beforehand; the others stand among the shifts."""
    middle = layers[len(layers) // 2]
    tuned, before = middle.tuned, middle.reference
    every = [one.tuned.pairwise for one in layers if one.tuned.pairwise is not None]
    spread = f"; over all layers {min(every):.2f} to {max(every):.2f}" if every else ""
    half = "" if tuned.split_half is None else f"; split-half {tuned.split_half:.2f}"
    yield _row(
        "steering",
        "consistency of accepting",
        Limits(),
        value=tuned.pairwise,
        reference=before.pairwise,
        unit="cosine",
        n=tuned.pairs,
        words=f"layer {middle.layer}{half}{spread}; seed 004 saw {SEED_CONSISTENCY}, which is no pass mark",
    )
    yield _row(
        "steering",
        "direction kept",
        Limits(),
        value=middle.kept,
        unit="cosine",
        n=tuned.pairs,
        words=f"layer {middle.layer}: its steering vector against the reference's",
    )


def _as_kept(settings: StripSettings, behavioral: str | None) -> dict[str, object]:
    kept = {name: value for name, value in asdict(settings).items() if name != "bounds"}
    bounds = {
        name: {"warn": limits.warn and str(limits.warn), "rollback": limits.rollback and str(limits.rollback)}
        for name, limits in settings.bounds.items()
    }
    return {**kept, "bounds": bounds, "behavioral": behavioral}
