"""Gates, strips, experiments, a curriculum, an adapter as the lab writes them; for tests and pictures."""

from __future__ import annotations

from dataclasses import replace

from store.records import (
    AdapterRecord,
    CheckpointRecord,
    CurriculumRecord,
    GateRow,
    PhaseRecord,
    Record,
    Shift,
    StripRow,
)
from tests.store.facts import at, model, sha
from tests.store.test_curricula import CURRICULUM
from tests.store.test_gates import EXPERIMENT, GATE, ROW, STRIP
from tests.store.test_runs import RUN

SHIFT = "attention shift, L2 per head"
LOSSES = "50 updates; held-out loss 2.31 → 1.98"
ADAPTER = AdapterRecord(
    id=sha("tuned"),
    name="evening-0000050",
    path="/lab/runs/run-1/checkpoints/evening-0000050",
    base_model_id=sha("wick"),
    fine_tune_type="lora",
    rank=16,
    scale=2.0,
    num_layers=4,
    parameters=233_472,
    at=at(5),
)
CHECKPOINT = CheckpointRecord(
    id="checkpoint-1",
    run_id=RUN.id,
    step=50,
    folder=ADAPTER.path,
    adapter_id=ADAPTER.id,
    reason="best",
    at=at(6),
    valid_loss_nats=1.2345,
)


def gate_rows() -> tuple[GateRow, ...]:
    """A primary gate that passes, one that is amber, one that fails."""
    return (
        ROW,
        replace(
            ROW,
            name="creative floor",
            verdict="amber",
            primary=False,
            metric="least",
            battery="creative",
            value=12.4,
            lower=None,
            upper=None,
            n=3,
            passes=">= 13",
            fails="< 12",
            p_value=0.21,
            p_adjusted=0.42,
            detectable=2.5,
            evidence="P11 12.4, P13 14.1, P20 13.6: the least lies between both bounds",
        ),
        replace(
            ROW,
            name="degeneration",
            verdict="fail",
            primary=False,
            metric="count",
            instrument="degeneration",
            version="1",
            dimension="degenerate",
            value=3.0,
            lower=0.6,
            upper=8.5,
            n=101,
            passes="<= 0",
            fails="> 0",
            p_value=0.0004,
            p_adjusted=0.0008,
            detectable=None,
            evidence="3 of 101 answers loop; none at all would only bound the rate at about 3/n = 3 %",
        ),
    )


def strip_rows(general: float = 11.0) -> tuple[StripRow, ...]:
    """Perplexities, refusals, sycophancy and a binary row that is not to be read yet."""
    row = STRIP.rows[0]
    return (
        replace(
            row,
            name="behavioural",
            state="ok",
            value=8.1,
            reference=9.9,
            change=-18.2,
            lower=-20.0,
            upper=-16.0,
        ),
        replace(row, value=general, evidence="held-out general perplexity is up by 10 %"),
        replace(
            row,
            group="refusals",
            name="refuses what is harmless",
            state="ok",
            value=0.04,
            reference=0.04,
            change=0.0,
            lower=-0.05,
            upper=0.05,
            unit="",
            warn="> 0.05",
            rollback="> 0.15",
        ),
        replace(
            row,
            group="sycophancy",
            name="accepts wrong directions",
            state="withheld",
            value=None,
            reference=None,
            change=None,
            lower=None,
            upper=None,
            unit="",
            evidence="binary behaviour is not judged before step 10",
        ),
        replace(
            row,
            group="capability",
            name="right answers",
            state="rollback",
            value=0.21,
            reference=0.42,
            change=-0.21,
            lower=-0.32,
            upper=-0.1,
            unit="",
            warn="< -0.05",
            rollback="< -0.1",
            evidence="a fifth fewer are right",
        ),
    )


def records() -> list[Record]:
    """Everything that the screen lists."""
    shifts = tuple(
        Shift(
            measure="attention shift, L2 per head",
            layer=layer,
            head=head,
            value=0.9 / (1 + layer + head),
            n=8,
        )
        for layer in range(4)
        for head in range(4)
    )
    strips = [
        replace(STRIP, id=f"01-strip-{step:03}", step=step, rows=strip_rows(10.0 + step / 50), shifts=shifts)
        for step in (10, 20, 30, 40, 50)
    ]
    verdict = replace(
        EXPERIMENT,
        id="02-e",
        hypothesis=None,
        configuration={},
        measures={"accept rate, clear": 0.82, "accept rate, wrong": 0.31},
        verdict="It moved by 0.3 on clear directions and stayed on wrong ones.",
        next_change="Fifty examples, the same learning rate",
        at=at(40),
    )
    return [
        model(),
        RUN,
        ADAPTER,
        CHECKPOINT,
        replace(GATE, verdict="fail", rows=gate_rows()),
        replace(GATE, id="02-gate", plan="base", verdict="pass", rows=gate_rows()[:1], at=at(9)),
        *strips,
        EXPERIMENT,
        verdict,
        *curriculum(),
    ]


def curriculum() -> list[Record]:
    """Two of three phases: the first passed, the second is amber and waits."""
    plan: CurriculumRecord = replace(CURRICULUM, phases=("creative lock", "deep axiom", "synthesis"))
    base = PhaseRecord(
        id="e0",
        curriculum_id=plan.id,
        phase="creative lock",
        place=0,
        attempt=1,
        stage="distill",
        state="done",
        words="404 answers, 212 kept (52 %)",
        at=at(20),
    )
    return [
        plan,
        base,
        replace(base, id="e1", stage="data", words="180 rows of 45 clusters, 32 held out", at=at(21)),
        replace(
            base,
            id="e2",
            stage="train",
            words=LOSSES,
            run_id=RUN.id,
            at=at(22),
        ),
        replace(base, id="e3", stage="gate", words="all 5 gates pass", verdict="pass", at=at(23)),
        replace(base, id="e4", phase="deep axiom", place=1, words="404 answers, 190 kept (47 %)", at=at(24)),
        replace(
            base,
            id="e5",
            phase="deep axiom",
            place=1,
            stage="gate",
            state="begun",
            verdict="amber",
            words="creative floor is amber: 12.4 lies between 12 and 13. Go on, or roll back?",
            at=at(25),
        ),
    ]
