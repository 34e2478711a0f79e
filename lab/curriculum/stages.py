"""The stages of a phase: distill, data, train, gate. Each may be killed at any point and is then done again.

What a stage needs to find its way back (the distillation, the run) is said when it begins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.compare.sides import Side
from lab.curriculum import distill, training
from lab.curriculum.candidates import Candidate, of_distillation, of_rows
from lab.curriculum.dataset import write
from lab.curriculum.pipeline import DataRecipe, Prepared, prepare
from lab.curriculum.plan import questions_of
from lab.curriculum.probes import gate_probes, probes_to_distill, rephrasings
from lab.curriculum.review import ReviewPlan
from lab.curriculum.settings import Phase, file_name, gate_plan
from lab.curriculum.state import DATA, DISTILL, GATE, ROLLBACK, TRAIN, Standing
from lab.curriculum.workshop import Question, Step, WaitingError, Workshop
from lab.errors import LabError
from lab.kernels import load as load_kernel
from lab.protocol import Progress
from lab.sampling import load_preset
from lab.scoring import instrument as find_instrument
from store.queries.distilled import distillation, distillation_row, distilled_answers, reviews
from store.records import DistillationRecord

if TYPE_CHECKING:
    from lab.curriculum.gates import GateReport
    from lab.measure.instrument import Instrument
    from store.records import GateRecord


@dataclass(frozen=True, slots=True)
class Ground:
    """What a phase stands on: the model (fused, where the chain is), and the adapter before it."""

    model: str
    adapter: str | None


def distill_stage(shop: Workshop, phase: Phase, one: Standing, ground: Ground) -> None:
    """Ask, score and keep every answer that the phase wants."""
    begun = one.begun(DISTILL)
    planned = None if begun is None else shop.store.query(distillation, begun.distillation_id or "")
    by = find_instrument(phase.data.instrument, shop.home.config / "rubrics")
    if planned is None:
        planned = _begin_distillation(shop, phase, one, ground, by)
    session = shop.models.session(ground.model)
    side = distill.restore(shop.store, planned)
    row = shop.store.query(distillation_row, planned.id)
    assert row is not None
    finished = row.finished
    for event in distill.run(
        *(planned, side, by, session, shop.store), batch_size=shop.batch_size, should_stop=shop.should_stop
    ):
        if isinstance(event, Progress):
            shop.told(Step(phase.name, DISTILL, "", finished, row.planned, event.eta_s))
        else:
            finished += 1
    shop.refuse_stop()
    shop.store.ingest()
    row = shop.store.query(distillation_row, planned.id)
    assert row is not None
    words = f"{row.finished} answers by {row.words}, {row.kept} of them whole and with {_gate_words(phase)}"
    detail = {"answers": row.finished, "kept": row.kept, "by": row.words}
    shop.event(phase.name, one.attempt, DISTILL, "done", words, detail, distillation_id=planned.id)


def data_stage(shop: Workshop, phase: Phase, one: Standing) -> None:
    """Sift the answers into a data directory; a person may have to look at some first."""
    done = one.done(DISTILL)
    assert done is not None
    assert done.distillation_id is not None
    prepared = prepare_data(shop, phase, done.distillation_id)
    folder = data_folder(shop, phase.name, one.attempt)
    manifest = write(prepared.data, folder)
    counts = manifest["counts"]
    words = (
        f"{counts['train']} rows to train on, {counts['valid']} held out, of {manifest['answers']} answers"
    )
    detail = {
        "folder": str(folder),
        "review_id": manifest["review"]["id"],
        "review": prepared.outcome.words,
        "decision": prepared.outcome.decision,
        "counts": counts,
        "dropped_at": manifest["dropped_at"],
    }
    if prepared.outcome.decision == "fail":
        shop.event(phase.name, one.attempt, DATA, "failed", prepared.outcome.words, detail)
        raise LabError(f"phase {phase.name}: the review refuses the data: {prepared.outcome.words}")
    if prepared.outcome.decision in ("amber", "not reviewed"):
        detail["gone_on"] = _ask_about_review(shop, phase, one, prepared, detail)
    shop.event(phase.name, one.attempt, DATA, "done", words, detail, data_sha256=manifest["sha256"])


def prepare_data(shop: Workshop, phase: Phase, distillation_id: str) -> Prepared:
    """The data of a distillation as a phase wants it, with the reviews that there are by now."""
    settings = phase.data
    by = find_instrument(settings.instrument, shop.home.config / "rubrics")
    planned = shop.store.query(distillation, distillation_id)
    assert planned is not None
    answers = shop.store.query(distilled_answers, distillation_id, by.name, by.version)
    candidates = of_distillation(answers, _fields(shop, planned))
    candidates += _external(settings.external, by)
    recipe = DataRecipe(
        instrument=by.name,
        version=by.version,
        threshold=settings.threshold,
        on_overlap=settings.on_overlap,
        review=ReviewPlan(settings.review.share, settings.review.max_error_rate, shop.curriculum.seed),
        mix=dict(settings.mix) or {"self": 1.0},
        valid_share=settings.valid_share,
        seed=shop.curriculum.seed,
    )
    probes = gate_probes(shop.curriculum, shop.store)
    return prepare(candidates, recipe, probes, shop.store.query(reviews, distillation_id), distillation_id)


def train_stage(shop: Workshop, phase: Phase, one: Standing, ground: Ground) -> None:
    """Train on the data, going on from the adapter before."""
    begun, data = one.begun(TRAIN), one.done(DATA)
    assert data is not None
    if begun is not None and begun.run_id is not None:
        folder = training.folder_of(shop, begun.run_id)
    else:
        folder = training.create(
            shop, phase, data=Path(str(data.detail["folder"])), model=ground.model, adapter=ground.adapter
        )
        shop.event(phase.name, one.attempt, TRAIN, "begun", f"run {folder.run_id[-8:]}", run_id=folder.run_id)
    how = training.carry_out(shop, phase, folder)
    made = training.result(folder)
    shop.event(
        *(phase.name, one.attempt, TRAIN, "done", f"run {folder.run_id[-8:]} {how}"),
        {"adapter": made["adapter"], "model": ground.model},
        run_id=folder.run_id,
        adapter_id=made["adapter_id"],
    )


def gate_stage(shop: Workshop, phase: Phase, one: Standing, ground: Ground) -> None:
    """Hold what was made against the gates; what fails is rolled back, and why is said."""
    trained = one.done(TRAIN)
    assert trained is not None
    plan = gate_plan(phase)
    if plan is None:
        shop.event(phase.name, one.attempt, GATE, "done", "no gates", verdict="pass")
        return
    from lab.curriculum.asking import StoppedError as GatesStoppedError
    from lab.curriculum.measuring import Manner, Origin, run_gates

    def tell(progress: Progress) -> None:
        shop.told(Step(phase.name, GATE, "", progress.done, progress.total, progress.eta_s))

    try:
        report, record = run_gates(
            plan,
            str(trained.detail["adapter"]),
            shop.models.session(ground.model),
            shop.store,
            origin=Origin(trained.run_id),
            manner=Manner(
                batch_size=shop.batch_size,
                should_stop=shop.should_stop,
                on_progress=tell,
                instruments=lambda name: find_instrument(name, shop.home.config / "rubrics"),
            ),
        )
    except GatesStoppedError:
        shop.refuse_stop()
        raise
    shop.event(
        *(phase.name, one.attempt, GATE, "done", report.words, _evidence(report, record)),
        run_id=trained.run_id,
        adapter_id=trained.adapter_id,
        verdict=report.verdict,
    )


def roll_back(shop: Workshop, phase: str, one: Standing, words: str) -> None:
    """Say that what a phase made is set aside. Nothing is deleted; what is before it stands again."""
    trained = one.done(TRAIN)
    shop.event(
        *(phase, one.attempt, ROLLBACK, "done", words),
        run_id=trained.run_id if trained else None,
        adapter_id=trained.adapter_id if trained else None,
        verdict="fail" if one.verdict == "fail" else None,
    )


def why_failed(one: Standing) -> str:
    """The gates that failed, with their evidence, from what the gate stage said."""
    event = one.done(GATE)
    rows = event.detail.get("rows") if event is not None else None
    failed = [row for row in rows if row["verdict"] == "fail"] if isinstance(rows, Sequence) else []
    return "; ".join(f"{row['name']}: {row['evidence']}" for row in failed) or "its gates failed"


def data_folder(shop: Workshop, phase: str, attempt: int) -> Path:
    """Where the data of a phase's attempt is."""
    place = shop.record.phases.index(phase)
    return shop.folder / f"{place + 1}-{file_name(phase)}-{attempt}" / "data"


def _begin_distillation(
    shop: Workshop, phase: Phase, one: Standing, ground: Ground, by: Instrument
) -> DistillationRecord:
    settings = phase.distill
    sampling = load_preset(settings.preset)
    sampling = replace(
        sampling,
        temperature=sampling.temperature if settings.temperature is None else settings.temperature,
        max_tokens=settings.max_tokens or sampling.max_tokens,
    )
    side = Side(
        ground.model,
        sampling,
        adapter=ground.adapter if settings.teacher == "previous" else None,
        kernel=None if settings.kernel is None else load_kernel(settings.kernel),
    )
    planned = distill.begin(
        shop.models.session(ground.model),
        shop.store,
        side,
        questions_of(probes_to_distill(settings, shop.store), rephrasings(shop.store), settings.variants),
        by,
        battery=", ".join(settings.batteries),
        samples=settings.samples,
        threshold=phase.data.threshold,
        seed=settings.seed,
        name=f"{shop.record.name}: {phase.name}",
    )
    shop.event(
        *(phase.name, one.attempt, DISTILL, "begun", f"{len(planned.questions)} questions"),
        distillation_id=planned.id,
    )
    return planned


def _ask_about_review(
    shop: Workshop, phase: Phase, one: Standing, prepared: Prepared, detail: Mapping[str, Any]
) -> str:
    """How it came that the data is used all the same. Raises WaitingError when nobody answers."""
    lines = (prepared.outcome.words, f"to review them: lantern curriculum review {shop.record.id[-8:]}")
    if shop.ask(Question("review", phase.name, lines)) is None:
        shop.event(phase.name, one.attempt, DATA, "begun", f"waits: {prepared.outcome.words}", detail)
        raise WaitingError
    return f"gone on with: {prepared.outcome.words}"


def _external(files: Mapping[str, str], by: Instrument) -> list[Candidate]:
    from lab.interchange.distilled import read_file

    return [
        candidate
        for name, path in files.items()
        for candidate in of_rows(read_file(Path(path)).rows, name, by)
    ]


def _fields(shop: Workshop, planned: DistillationRecord) -> dict[tuple[str, str], Mapping[str, Any]]:
    from store.queries.distilled import probe_fields

    by_hash = shop.store.query(
        probe_fields, sorted({one.probe_sha256 for one in planned.questions if one.probe_sha256})
    )
    return {
        (one.probe_battery or "", one.probe_id or ""): by_hash.get(one.probe_sha256 or "", {})
        for one in planned.questions
    }


def _gate_words(phase: Phase) -> str:
    threshold = phase.data.threshold
    return "any score" if threshold is None else f"{phase.data.instrument} ≥ {threshold:g}"


def _evidence(report: GateReport, record: GateRecord) -> dict[str, Any]:
    return {
        "gate_id": record.id,
        "rows": [
            {"name": row.name, "verdict": row.verdict, "primary": row.primary, "evidence": row.evidence}
            for row in report.rows
        ],
    }
