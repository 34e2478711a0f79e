"""A curriculum from its plan to its last word: what is next is read from the store, done, and written down.

Killed at any point and begun again, it goes on where it was and comes to the same result.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lab.adapters.folders import fuse
from lab.compare.sides import Side
from lab.curriculum import evaluating
from lab.curriculum.evaluating import Asked, Delta
from lab.curriculum.probes import refuse_shared
from lab.curriculum.settings import AFTER, BEFORE, Curriculum, as_mapping
from lab.curriculum.stages import (
    Ground,
    data_stage,
    distill_stage,
    gate_stage,
    roll_back,
    train_stage,
    why_failed,
)
from lab.curriculum.state import (
    ATTEMPT,
    DECISION,
    DISTILL,
    EVALUATE,
    GATE,
    GO_ON,
    ROLLBACK,
    SKIP,
    Progress,
    Standing,
)
from lab.curriculum.workshop import CURRICULA, Question, Step, StoppedError, WaitingError, Workshop
from lab.errors import LabError
from lab.models.load import load
from lab.protocol import Progress as Asking
from lab.sampling import load_preset
from lab.scoring import instrument as find_instrument
from store.home import Home
from store.ids import new_id, utc_now
from store.queries import comparison
from store.records import ComparisonRecord, CurriculumRecord

if TYPE_CHECKING:
    from store.service import StoreService

Ending = Literal["finished", "stopped", "waiting", "failed"]


def begin(curriculum: Curriculum, home: Home, store: StoreService) -> CurriculumRecord:
    """A new curriculum, in the store when this returns.

    Raises LabError when the model is not there, or when a phase would distill what it is judged by.
    """
    refuse_shared(curriculum, store)
    identity = new_id()
    record = CurriculumRecord(
        id=identity,
        name=curriculum.name,
        model=curriculum.model,
        model_id=load(curriculum.model, cache_dir=home.cache).record.id,
        settings=as_mapping(curriculum),
        sha256=curriculum.sha256,
        phases=tuple(phase.name for phase in curriculum.phases),
        folder=str(home.path / CURRICULA / identity),
        at=utc_now(),
    )
    store.append(record)
    return record


def carry_on(shop: Workshop) -> Ending:
    """Do what is left to do; how it ended for now. Raises LabError for what has to be mended first."""
    try:
        while True:
            shop.refuse_stop()
            at = shop.progress()
            ending = _next(shop, at)
            if ending is not None:
                return ending
    except StoppedError:
        return "stopped"
    except WaitingError:
        return "waiting"


def roll_back_to(shop: Workshop, phase: str, changes: Mapping[str, Any]) -> list[str]:
    """Set aside what `phase` and all phases behind it made; their names. `changes` are for its next attempt.

    Raises LabError for a phase that there is not, or that has made nothing yet.
    """
    if phase not in shop.record.phases:
        raise LabError(f"no phase {phase!r}: there are {', '.join(shop.record.phases)}")
    at, place = shop.progress(), shop.record.phases.index(phase)
    touched = [one for one in at.phases[place:] if one.status != "not begun"]
    if not touched:
        raise LabError(f"phase {phase} has not begun: there is nothing to roll back")
    if at.after.events:
        shop.event(AFTER, at.after.attempt + 1, EVALUATE, "undone", f"phase {phase} was rolled back")
    for one in reversed(touched):
        if one.done(ROLLBACK) is None:
            roll_back(shop, one.name, one, f"rolled back by a person, to before {phase}")
        _begin_anew(shop, one, changes if one.name == phase else {})
    return [one.name for one in touched]


def _begin_anew(shop: Workshop, one: Standing, changes: Mapping[str, Any]) -> None:
    """The next attempt of a phase. Its answers are those of this one; its data takes up what was reviewed."""
    attempt = one.attempt + 1
    words = ", ".join(f"{key}={value}" for key, value in changes.items()) or "unchanged"
    shop.event(one.name, attempt, ATTEMPT, "begun", words, {"changes": dict(changes)})
    if event := one.done(DISTILL):
        words, found = f"as in attempt {one.attempt}", event.distillation_id
        shop.event(one.name, attempt, DISTILL, "done", words, event.detail, distillation_id=found)


def _next(shop: Workshop, at: Progress) -> Ending | None:
    """Do the one thing that comes next; None when there is more."""
    if at.before.done(EVALUATE) is None:
        _evaluate_before(shop, at)
        return None
    place = at.current
    if place is None:
        if at.after.done(EVALUATE) is not None:
            return "finished"
        _evaluate_after(shop, at)
        return None
    one = at.phases[place]
    if one.status == "failed":
        return _failed(shop, place, one)
    if one.status == "waiting":
        _waiting(shop, one)
    else:
        _stage(shop, at, place, one)
    return None


def _stage(shop: Workshop, at: Progress, place: int, one: Standing) -> None:
    phase, ground = shop.phase(place, one.changes), _ground(shop, at, place)
    match one.next_stage:
        case "distill":
            distill_stage(shop, phase, one, ground)
        case "data":
            data_stage(shop, phase, one)
        case "train":
            train_stage(shop, phase, one, ground)
        case "gate":
            gate_stage(shop, phase, one, ground)


def _failed(shop: Workshop, place: int, one: Standing) -> Ending | None:
    phase = shop.curriculum.phases[place]
    if one.done(ROLLBACK) is None:
        roll_back(shop, one.name, one, f"rolled back: {why_failed(one)}")
        return None
    if phase.on_fail == "skip":
        shop.event(
            *(one.name, one.attempt, DECISION, "done", "left out, as on_fail: skip says"), {"decision": SKIP}
        )
        return None
    return "failed"


def _waiting(shop: Workshop, one: Standing) -> None:
    """An amber gate: a person decides, or the word that was given beforehand."""
    event = one.done(GATE)
    assert event is not None
    rows: Any = event.detail.get("rows", ())
    lines = tuple(
        f"{row['verdict']} {row['name']}: {row['evidence']}" for row in rows if row["verdict"] != "pass"
    )
    answer = shop.ask(Question("gate", one.name, (event.words, *lines)))
    if answer is None:
        raise WaitingError
    if answer == GO_ON:
        words = "gone on though a gate is amber"
        shop.event(one.name, one.attempt, DECISION, "done", words, {"decision": GO_ON}, verdict="pass")
        return
    roll_back(shop, one.name, one, "set aside by a person at an amber gate")
    shop.event(one.name, one.attempt, DECISION, "done", "left out by a person", {"decision": SKIP})


def _ground(shop: Workshop, at: Progress, place: int) -> Ground:
    """What the phase at this place goes on from."""
    made = at.made_by(place)
    if shop.curriculum.chain == "adapter" or not made:
        return Ground(shop.record.model, made[-1] if made else None)
    return Ground(_fused(shop, made), None)


def _fused(shop: Workshop, adapters: list[str]) -> str:
    """The model with these adapters worked in, one after the other; made where it is missing."""
    model = shop.record.model
    for place, adapter in enumerate(adapters):
        target = shop.folder / "fused" / f"{place + 1}-{Path(adapter).parent.name[-8:]}"
        if not target.is_dir():
            shop.models.release()
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fuse(model, Path(adapter), target)
        model = str(target)
    return model


def _evaluate_before(shop: Workshop, at: Progress) -> None:
    asked = evaluating.before(shop.curriculum.evaluation, shop.record.model)
    found = _compare_all(shop, BEFORE, at.before, asked)
    _say_evaluated(shop, BEFORE, at.before, found, {})


def _evaluate_after(shop: Workshop, at: Progress) -> None:
    made = at.made_by(len(at.phases))
    if not made:
        shop.event(AFTER, at.after.attempt, EVALUATE, "done", "no phase was accepted: the model is as it was")
        return
    plain = Side(shop.record.model, load_preset(shop.curriculum.evaluation.preset))
    if shop.curriculum.chain == "adapter":
        tuned = Side(plain.model, plain.sampling, adapter=made[-1])
    else:
        tuned = Side(_fused(shop, made), plain.sampling)
    found = _compare_all(shop, AFTER, at.after, evaluating.after(shop.curriculum.evaluation, plain, tuned))
    first = at.before.done(EVALUATE)
    assert first is not None
    kernel = _baked_in(shop, first.detail)
    share = evaluating.closed_share(kernel, found["tuned"]) if kernel is not None else None
    _say_evaluated(shop, AFTER, at.after, found, {} if share is None else {"closed_share": share})


def _baked_in(shop: Workshop, detail: Mapping[str, Any]) -> Delta | None:
    """What the first kernel adds to the model, from the comparison made before."""
    kernels = shop.curriculum.evaluation.kernels
    if not kernels:
        return None
    record = shop.store.query(comparison, detail["comparisons"][f"kernel {kernels[0]}"])
    assert record is not None
    return evaluating.delta_of(shop.store, record)


def _compare_all(shop: Workshop, name: str, one: Standing, asked: list[Asked]) -> dict[str, Delta]:
    """All comparisons, made or gone on with; their ids are said before they are asked."""
    evaluation = shop.curriculum.evaluation
    by = find_instrument(evaluation.instrument, shop.home.config / "rubrics")
    begun = one.begun(EVALUATE)
    ids: dict[str, str] = dict(begun.detail["comparisons"]) if begun is not None else {}  # type: ignore[call-overload]
    found = {}
    for wanted in asked:
        record = _comparison(shop, ids.get(wanted.name))
        if record is None:
            record = evaluating.begin(wanted, evaluation, by, shop.models, shop.store, shop.record.name)
            ids[wanted.name] = record.id
            shop.event(name, one.attempt, EVALUATE, "begun", wanted.name, {"comparisons": dict(ids)})
        events = evaluating.go_on(
            *(record, wanted, by, shop.models, shop.store),
            batch_size=shop.batch_size,
            should_stop=shop.should_stop,
        )
        for event in events:
            if isinstance(event, Asking):
                shop.told(Step(name, EVALUATE, wanted.name, event.done, event.total, event.eta_s))
        shop.refuse_stop()
        found[wanted.name] = evaluating.delta_of(shop.store, record)
    return found


def _comparison(shop: Workshop, comparison_id: str | None) -> ComparisonRecord | None:
    return None if comparison_id is None else shop.store.query(comparison, comparison_id)


def _say_evaluated(
    shop: Workshop, name: str, one: Standing, found: Mapping[str, Delta], more: Mapping[str, Any]
) -> None:
    evaluation = shop.curriculum.evaluation
    words = "; ".join(evaluating.in_words(found, evaluation.instrument))
    if "closed_share" in more:
        words += f"; {100 * more['closed_share']:.0f} % of the kernel's effect is in the weights"
    detail = {
        "comparisons": {key: delta.comparison_id for key, delta in found.items()},
        "deltas": {
            key: {
                "left": delta.left,
                "right": delta.right,
                "delta": delta.delta.value,
                "lower": delta.delta.lower,
                "upper": delta.delta.upper,
                "n": delta.delta.n,
            }
            for key, delta in found.items()
        },
        **more,
    }
    shop.event(name, one.attempt, EVALUATE, "done", words, detail)
