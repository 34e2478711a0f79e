"""The preference objectives in the training loop: chosen and rejected in one batch, the reference cached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from lab.errors import LabError
from lab.models.load import LoadedModel
from lab.models.runtime import mx
from lab.preference.losses import AnswerLogps, PairLogps, kto_losses, pair_losses, pair_metrics
from lab.preference.settings import (
    OBJECTIVES,
    ObjectiveSettings,
    changed,
    constants,
    defaults,
    from_mapping,
    in_words,
    read_objective,
)
from lab.train.hooks import Array, Corpus, Findings, Losses, Preparation
from lab.train.net import Net
from lab.train.preference.batches import Item, PairBatch, make_batch
from lab.train.preference.corpus import read_corpus
from lab.train.preference.displacement import Displacement
from lab.train.preference.items import Pair
from lab.train.preference.mismatch import kl_estimate, mismatched
from lab.train.preference.prefix import can_share
from lab.train.preference.reference import Logps, ReferenceFile, compute_missing
from lab.train.ranks import Ranks
from lab.train.settings import TrainSettings


class Preference:
    """One of the objectives of `lab.preference.settings`; which one can be changed while it runs."""

    per_token = False

    def __init__(self, name: str, given: Mapping[str, Any] | None = None) -> None:
        self.name = name
        self.settings, self._has_reference = read_objective(name, given or {})
        self._share = False
        self._batch_size = 1
        self._may_share = True
        self._only_whole = True
        self._reference: dict[str, Logps] = {}
        self._mismatched: dict[str, Pair] = {}
        self._kl = 0.0
        self._displacement = Displacement()

    def read(self, loaded: LoadedModel, settings: TrainSettings) -> Corpus:
        """Read pairs to train on and to hold out, and replay rows."""
        corpus = read_corpus(loaded, settings, single_answers=self.settings.name == "kto")
        self._batch_size, self._may_share = settings.batch_size, not settings.grad_checkpoint
        self._only_whole = all(pair.is_whole for pair in (*corpus.train, *corpus.valid))
        return replace(corpus, notices=(*corpus.notices, *self._of_reference(settings)))

    def _of_reference(self, settings: TrainSettings) -> list[str]:
        if settings.resume_adapter_file is None or not self._has_reference:
            return []
        return [
            "the run begins from an adapter, its reference is the model without one: fuse that adapter first "
            "(`lantern adapter fuse`) to compare with it"
        ]

    # -- the reference ---------------------------------------------------------------------------------------

    def prepare(self, preparation: Preparation) -> str | None:
        """The answers' log-probabilities under the model as it is, from the disk where they are known."""
        net, corpus, loaded = preparation.net, preparation.corpus, preparation.loaded
        self._share = self._may_share and can_share(net)
        if not self._has_reference:
            return None
        pairs = [*corpus.train, *corpus.valid]
        if self.settings.name == "kto":
            self._mismatched = mismatched(pairs)
            pairs += self._mismatched.values()
        file = ReferenceFile(preparation.cache, loaded.record, loaded.device)
        self._reference = file.read_on_all(preparation.ranks)
        computed = compute_missing(
            net,
            pairs,
            self._reference,
            self._batch_size,
            self._share,
            preparation.ranks,
            file.append,
            preparation.say,
        )
        wanted = {pair.key for pair in pairs}
        self._reference = {key: logps for key, logps in self._reference.items() if key in wanted}
        known = len(wanted) - computed
        return (
            f"log-probabilities of {len(wanted):,} pairs under the model without adapter: {computed:,} "
            f"computed, {known:,} known from before"
        )

    def foresee(self, net: Net, items: Sequence[Item], ranks: Ranks) -> None:
        """KTO's estimate over the whole batch, whichever rank has which of its items."""
        if self.settings.name == "kto":
            others = [self._mismatched[item.key] for item in items if isinstance(item, Pair)]
            self._kl = kl_estimate(net, others, self._reference, self._share, self._batch_size, ranks)

    # -- the loss --------------------------------------------------------------------------------------------

    def collate(self, items: Sequence[Item]) -> PairBatch:
        """All answers of a batch together, prompts once where the model and the lengths allow it."""
        return make_batch(items, self._share)

    def losses(self, net: Net, batch: PairBatch) -> Losses:
        """The loss of every item: of a pair by the objective, of a replay row its mean nats per token."""
        logps, counts = batch.forward.logps(net), batch.forward.counts
        n, singles = batch.n_pairs, batch.n_singles
        totals, weights, metrics = [], [], {}
        if n:
            policy = PairLogps(
                chosen=logps[:n],
                rejected=logps[n : 2 * n],
                chosen_tokens=counts[:n],
                rejected_tokens=counts[n : 2 * n],
            )
            reference = self._reference_of(batch, policy)
            total, weight = self._of_pairs(policy, reference)
            totals.append(total)
            weights.append(weight)
            metrics = pair_metrics(policy, reference, self.settings)
        if singles:
            found, more = self._of_singles(logps[2 * n : 2 * n + singles], batch)
            totals.append(found)
            weights.append(mx.ones((singles,)))
            metrics = metrics | more
        if self.settings.name == "kto" and n + singles:
            metrics["kl"] = mx.array([self._kl])
        if batch.n_replay:
            nll = -logps[2 * n + singles :] / counts[2 * n + singles :]
            totals.append(nll)
            weights.append(mx.ones((batch.n_replay,)))
            metrics["replay_nll"] = nll
        return Losses(mx.concatenate(totals)[batch.order], mx.concatenate(weights)[batch.order], metrics)

    def _reference_of(self, batch: PairBatch, policy: PairLogps) -> PairLogps | None:
        if not self._has_reference:
            return None
        pairs = [item for item in batch.items if isinstance(item, Pair) and item.is_whole]
        values = np.array([self._reference[pair.key] for pair in pairs], dtype=np.float32)
        return PairLogps(
            chosen=mx.array(values[:, 0]),
            rejected=mx.array(values[:, 1]),
            chosen_tokens=policy.chosen_tokens,
            rejected_tokens=policy.rejected_tokens,
        )

    def _of_pairs(self, policy: PairLogps, reference: PairLogps | None) -> tuple[Array, Array]:
        """The losses and weights of pairs; to KTO a pair is two answers."""
        ones = mx.ones(policy.chosen.shape)
        if self.settings.name != "kto":
            return pair_losses(policy, reference, self.settings), ones
        assert reference is not None
        chosen = self._kto(policy.chosen, reference.chosen, ones)
        rejected = self._kto(policy.rejected, reference.rejected, mx.zeros_like(ones))
        return chosen + rejected, 2.0 * ones

    def _of_singles(self, logps: Array, batch: PairBatch) -> tuple[Array, dict[str, Array]]:
        pairs = [item for item in batch.items if isinstance(item, Pair) and not item.is_whole]
        reference = mx.array(np.array([sum(self._reference[pair.key]) for pair in pairs], dtype=np.float32))
        metrics: dict[str, Array] = {}
        for name, wanted in (("chosen", 1), ("rejected", 0)):
            rows = np.flatnonzero(batch.single_desirable == wanted)
            if len(rows):
                ratio = (logps - reference)[mx.array(rows)]
                metrics |= {f"rewards/{name}": self.settings.beta * ratio, f"log_ratio/{name}": ratio}
                metrics[f"logps/{name}"] = logps[mx.array(rows)]
        desirable = mx.array(batch.single_desirable).astype(mx.float32)
        return self._kto(logps, reference, desirable), metrics

    def _kto(self, logps: Array, reference: Array, desirable: Array) -> Array:
        kl = mx.array(self._kl)
        answers = AnswerLogps(logps=logps, reference=reference, desirable=desirable, kl=kl)
        return kto_losses(answers, self.settings)

    # -- on the way ------------------------------------------------------------------------------------------

    def metric_names(self) -> Sequence[str]:
        return self._metric_names

    @cached_property
    def _metric_names(self) -> tuple[str, ...]:
        one = mx.array([-1.0])
        logps = PairLogps(chosen=one, rejected=one, chosen_tokens=one, rejected_tokens=one)
        names = set(pair_metrics(logps, logps if self._has_reference else None, self.settings))
        return tuple(sorted({*names, "replay_nll", *(["kl"] if self.settings.name == "kto" else [])}))

    def observe(self, step: int, metrics: Mapping[str, float]) -> Findings:
        """Watch whether chosen answers lose likelihood while margins rise."""
        words = {"loss": in_words(self.settings), "alarm": ""}
        ratio, margin = metrics.get("log_ratio/chosen"), metrics.get(self._margins)
        if ratio is None or margin is None:
            return Findings(words=words)
        alarm, events = self._displacement.hear(ratio, margin, self.settings.name)
        if alarm.level == "red":
            words["alarm"] = f"{alarm.message}; {alarm.remedy}"
        return Findings(words=words, events=events)

    @property
    def _margins(self) -> str:
        return "rewards/margins" if self.settings.needs_reference else f"{self.settings.name}/margins"

    def set(self, key: str, value: object) -> str:
        """Change the loss, which then has its usual constants, or a constant of the loss."""
        if key == "loss":
            if value not in OBJECTIVES:
                raise LabError(f"objective.loss: {value!r} is none of {', '.join(OBJECTIVES)}")
            wanted = defaults(str(value))
            self._check_switch(wanted)
        else:
            wanted = changed(self.settings, key, value)
        self._take(wanted)
        return f"the loss is {in_words(wanted)} from the next step on"

    def _check_switch(self, wanted: ObjectiveSettings) -> None:
        if wanted.needs_reference and not self._has_reference:
            raise LabError(
                f"objective.loss: {wanted.name} compares with the reference, which this run was told not to "
                "measure (objective_settings.reference: needed)"
            )
        if wanted.name == "kto" and not self._mismatched:
            raise LabError(
                "objective.loss: kto needs other log-probabilities: start a run with --objective kto"
            )
        if wanted.name != "kto" and not self._only_whole:
            raise LabError(f"objective.loss: {wanted.name} compares two answers; this data has single ones")

    def _take(self, settings: ObjectiveSettings) -> None:
        self.settings = settings
        self._displacement.forget()
        self.__dict__.pop("_metric_names", None)

    def state(self) -> Mapping[str, Any]:
        return {
            "loss": self.settings.name,
            "constants": constants(self.settings),
            "displacement": self._displacement.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self._take(from_mapping(state["loss"], state["constants"]))
        self._displacement.restore(state["displacement"])
