"""A temperature sweep: what is asked so that pairs can be chosen from the answers. Pure.

On-policy pairs come from the model's own answers, made at temperatures from cold to hot. A sweep is planned
and kept before its first answer; its id is the run id of the answers and every answer has a seed of its own,
so that what is left to ask is known at any time.

The command line makes the answers with a Session, a screen with the engine: plan with `plan_sweep`, keep the
record, send `asks` as one Generate request, and when it is done call `lab.preference.suggest.finish`, which
scores the answers and puts the pairs up. Or start `lantern pairs suggest --json` as a process. Neither needs
model code in the terminal.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from lab.conditions import condition
from lab.decode.types import Sampling
from lab.errors import LabError
from lab.kernels import Kernel
from lab.protocol import Ask
from store.ids import new_id, utc_now
from store.records import ConditionRecord, KernelRecord, PlannedAnswer, ProbeRecord, SweepRecord

Question = ProbeRecord | str
"""A probe, or a free prompt."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What answers, and how: a loaded model and adapter by their ids, a kernel, settings by temperature."""

    model_id: str
    adapter_sha256: str | None
    words: str
    kernel: Kernel | None
    samplings: tuple[Sampling, ...]


def at_temperatures(sampling: Sampling, temperatures: Sequence[float]) -> tuple[Sampling, ...]:
    """The settings at each temperature, each once. Raises LabError where there is none to sweep over."""
    if not temperatures:
        raise LabError("a sweep needs at least one temperature, such as 0.1")
    return tuple(replace(sampling, temperature=value) for value in dict.fromkeys(temperatures))


def plan_sweep(
    questions: Sequence[Question],
    policy: Policy,
    *,
    battery: str,
    instrument: str,
    version: str,
    samples: int = 1,
    seed: int = 0,
) -> SweepRecord:
    """Every question at every temperature, `samples` times, with seeds from `seed` on.

    All temperatures of a question come one after another, so that a sweep stopped early has whole questions.
    Raises LabError without questions, and where fewer than two answers to each were asked for.
    """
    if not questions:
        raise LabError("suggest: no probes to ask; `lantern probes list` shows what there is")
    conditions = [condition(policy.kernel, sampling).id for sampling in policy.samplings] * max(samples, 1)
    if len(conditions) < 2:
        raise LabError("suggest: a pair needs two answers: give several temperatures, or --samples 2")
    asked = [(question, under) for question in questions for under in conditions]
    return SweepRecord(
        id=new_id(),
        words=policy.words,
        model_id=policy.model_id,
        adapter_sha256=policy.adapter_sha256,
        answers=tuple(
            _planned(question, under, seed + place) for place, (question, under) in enumerate(asked)
        ),
        battery=battery,
        instrument=instrument,
        version=version,
        at=utc_now(),
    )


def asks(sweep: SweepRecord, policy: Policy, answered: Collection[int] = ()) -> list[Ask]:
    """What is left to ask of a sweep, `answered` being the seeds of the answers there are.

    Raises LabError where the policy is not the one that the sweep began with.
    """
    if (policy.model_id, policy.adapter_sha256) != (sweep.model_id, sweep.adapter_sha256):
        raise LabError(
            f"{policy.words} is no longer what the sweep began with (its weights, tokenizer, template or "
            "adapter changed): begin a new one"
        )
    under = {condition(policy.kernel, sampling).id: sampling for sampling in policy.samplings}
    return [_ask(sweep, one, policy, under) for one in sweep.answers if one.seed not in answered]


def condition_records(policy: Policy) -> tuple[KernelRecord | ConditionRecord, ...]:
    """What else has to be kept so that a sweep can be gone on with: its kernel and its conditions."""
    conditions = tuple(condition(policy.kernel, sampling) for sampling in policy.samplings)
    if policy.kernel is None:
        return conditions
    kernel = policy.kernel
    return (KernelRecord(sha256=kernel.sha256, name=kernel.name, text=kernel.text, at=utc_now()), *conditions)


def _planned(question: Question, condition_id: str, seed: int) -> PlannedAnswer:
    if isinstance(question, str):
        return PlannedAnswer(prompt=question, seed=seed, condition_id=condition_id)
    return PlannedAnswer(
        prompt=question.prompt,
        seed=seed,
        condition_id=condition_id,
        probe_battery=question.battery,
        probe_id=question.id,
        probe_sha256=question.sha256,
    )


def _ask(sweep: SweepRecord, planned: PlannedAnswer, policy: Policy, under: Mapping[str, Sampling]) -> Ask:
    sampling = under.get(planned.condition_id)
    if sampling is None:
        raise LabError("the settings of the sweep are no longer known: begin a new one")
    return Ask(
        prompt=planned.prompt,
        sampling=sampling,
        seed=planned.seed,
        kernel_name=policy.kernel.name if policy.kernel else None,
        kernel_text=policy.kernel.text if policy.kernel else None,
        probe_battery=planned.probe_battery,
        probe_id=planned.probe_id,
        probe_sha256=planned.probe_sha256,
        adapter=sweep.adapter_sha256,
        run_id=sweep.id,
    )
