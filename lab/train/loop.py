"""The training loop: batches, steps, evaluations, checkpoints, commands, one after the other.

Every step follows from the settings, the seed and the state in the last checkpoint alone, so a run that was
killed goes on to the same weights, bit for bit.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from mlx.utils import tree_flatten

from lab.models.adapters import read_adapter
from lab.models.load import LoadedModel
from lab.models.names import WEIGHTS
from lab.models.runtime import mx
from lab.train import checkpoints
from lab.train.checkpoints import OPTIMIZER, State
from lab.train.control import ControlReader
from lab.train.data.ledger import write_ledger
from lab.train.evaluation import Evaluation, chosen_items, evaluate, improvement
from lab.train.folder import RunFolder
from lab.train.hooks import Corpus, Findings, Hooks, MonitorContext, Regularizer, Trail
from lab.train.layers import Dice, adapter_settings
from lab.train.machine import Machine
from lab.train.net import Net
from lab.train.optimizers import make_optimizer
from lab.train.plan import make_order, make_plan
from lab.train.pulse import Pulse
from lab.train.ranks import Ranks
from lab.train.rollback import put_in_place
from lab.train.runlog import RunLog
from lab.train.schedule import learning_rate
from lab.train.settings import TrainSettings
from lab.train.steering import Steering, stateful
from lab.train.step import DivergedError, Stepper
from store.records import AdapterRecord

EndName = Literal["finished", "stopped", "failed"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended, why in words, after how many updates, and where its adapter is."""

    name: EndName
    words: str
    step: int
    adapter: Path | None
    best_step: int | None
    best_loss_nats: float | None


@dataclass(frozen=True, slots=True)
class Run:
    """Everything of a run that does not change while it runs."""

    settings: TrainSettings
    folder: RunFolder
    loaded: LoadedModel
    net: Net
    corpus: Corpus
    hooks: Hooks
    ranks: Ranks


@dataclass(slots=True)
class _Read:
    """What a step read: rows, replayed ones; tokens, those learned, those with padding."""

    rows: int = 0
    replayed: int = 0
    tokens: int = 0
    learned: int = 0
    padded: int = 0


class Trainer:
    """One process's part in a run."""

    def __init__(self, run: Run, log: RunLog, pulse: Pulse, commands: ControlReader | None) -> None:
        self._run, self._log, self._pulse = run, log, pulse
        settings, hooks = run.settings, run.hooks
        self._stateful = stateful(hooks)
        self._steering = Steering(
            commands,
            run.ranks,
            log,
            pulse,
            self._stateful,
            self._checkpoint,
            self._set_learning_rate,
            self._forget_held_out,
        )
        self._order = make_order(settings, run.corpus)
        self.plan = make_plan(settings, run.corpus, self._order)
        self._stepper = Stepper(
            run.net,
            hooks.objective,
            make_optimizer(settings),
            hooks.regularizer,
            settings.max_grad_norm,
            run.ranks,
        )
        self._dice = Dice(run.net.model)
        self._valid = chosen_items(run.corpus.valid, settings.val_batches, settings.batch_size, settings.seed)
        self._peak = settings.learning_rate
        self._step = self._micro_batches = 0
        self._elapsed_s, self._began_s = 0.0, time.monotonic()
        self._peak_bytes = 0
        self._machine = Machine()
        self._best: tuple[int, float] | None = None
        self._evaluated: tuple[int, float] | None = None
        self._reference: Evaluation | None = None
        self._misses = 0
        self._witness: str | None = None
        self._stop: str | None = None
        self._epoch: tuple[int, list[Any]] = (-1, [])

    def train(self, resume_from: Path | None = None) -> Outcome:
        """Train to the end, from a checkpoint where one is given. Raises LabError and StoreError."""
        self._run.net.model.train()
        if resume_from is None:
            self._begin()
        else:
            self._restore(resume_from)
        while self._step < self.plan.steps:
            stopped = self._steering.obey(self._step, self._stop)
            if stopped is not None:
                return self._end("stopped", stopped)
            try:
                self._try_out()
                self._make_step()
            except DivergedError as error:
                return self._end("failed", f"{error} at step {self._step + 1}: lower the learning rate")
            self._look()
        stopped = self._stop
        return self._end(
            "stopped" if stopped else "finished", stopped or f"all {self.plan.steps} steps are done"
        )

    def _begin(self) -> None:
        if self._run.ranks.is_first:
            self._save_adapter()
        self._tell_regularizer()
        self._look()
        self._checkpoint("initial")

    def _restore(self, path: Path) -> None:
        """Take up the state of a checkpoint; what it lacks in the journals is said."""
        state = checkpoints.load_state(path)
        model = self._run.net.model
        initial = self._run.folder.checkpoint(self._run.settings.name, 0)
        model.load_weights(list(checkpoints.load_arrays(initial, WEIGHTS).items()), strict=False)
        self._tell_regularizer()
        model.load_weights(list(checkpoints.load_arrays(path, WEIGHTS).items()), strict=False)
        self._stepper.restore_optimizer(checkpoints.load_arrays(path, OPTIMIZER))
        self._step, self._micro_batches = state.step, state.micro_batches
        self._peak, self._elapsed_s = state.peak_learning_rate, state.elapsed_s
        if state.best_step is not None and state.best_loss_nats is not None:
            self._best = (state.best_step, state.best_loss_nats)
        if state.reference is not None:
            totals, weights = state.reference
            self._reference = Evaluation(np.array(totals), np.array(weights))
        self._misses, self._witness, self._stop = state.misses, state.witness, state.stop
        for name, hook in self._stateful.items():
            hook.restore(state.hooks[name])
        if self._run.ranks.is_first:
            self._say_checkpoint(path, state)

    def _tell_regularizer(self) -> None:
        if self._run.hooks.regularizer is not None:
            self._run.hooks.regularizer.begin(self._stepper.weights(), self.plan.tokens)

    def _make_step(self) -> None:
        """One update, and what it measured."""
        began_s = time.perf_counter()
        self._pulse.say("training", self._step)
        epoch = self._micro_batches / self._order.batches_per_epoch
        read = self._add_micro_batches()
        rate = self._rate()
        result = self._stepper.update(rate)
        self._step += 1
        seconds = time.perf_counter() - began_s
        found = self._run.hooks.objective.observe(self._step, result.metrics)
        for name, level, words in found.events:
            self._log.event(self._step, name, words, level)
        self._log.metric(
            self._step,
            "train",
            {
                "loss_nats": result.loss_nats,
                "learning_rate": rate,
                "grad_norm": result.grad_norm,
                "penalty_nats": result.penalty_nats,
                "tokens": read.learned,
                "tokens_per_second": read.learned / seconds,
                "read_tokens_per_second": read.tokens / seconds,
                "step_ms": seconds * 1e3,
                "epoch": epoch,
                "examples": read.rows,
                "padded_share": 1.0 - read.tokens / read.padded,
                "replay_share": read.replayed / read.rows,
                "peak_memory_bytes": self._peak_memory(),
                **self._machine.read(),
                **result.metrics,
                **found.values,
            },
            found.words,
        )
        self._observe(result.loss_nats)

    def _add_micro_batches(self) -> _Read:
        """The gradients of the next step's micro-batches."""
        read = _Read()
        for micro in range(self._run.settings.grad_accumulation_steps):
            if self._micro_batches == self.plan.micro_batches:
                break
            items, replayed = self._next_items()
            read.rows, read.replayed = read.rows + len(items), read.replayed + replayed
            read.tokens += sum(item.length for item in items)
            read.learned += sum(item.learned for item in items)
            read.padded += len(items) * items[-1].length
            self._run.hooks.objective.foresee(self._run.net, items, self._run.ranks)
            self._dice.throw(self._run.settings.seed, self._step, micro, self._run.ranks.rank)
            self._stepper.add(items[self._run.ranks.rank :: self._run.ranks.size])
        return read

    def _rate(self) -> float:
        """The learning rate of the next update."""
        return learning_rate(self._peak, self._run.settings.schedule, self._step, self.plan.steps)

    def _try_out(self) -> None:
        """What the regularizer asks to be tried: the coming steps under several λ, each taken back."""
        regularizer = self._run.hooks.regularizer
        trial = regularizer.trial() if regularizer is not None else None
        if regularizer is None or trial is None:
            return
        trails = [self._tried(regularizer, lambda_, trial.updates) for lambda_ in trial.lambdas]
        found = regularizer.judge(trails, self._stepper.weights())
        self._note(regularizer.name, found)

    def _tried(self, regularizer: Regularizer, lambda_: float, updates: int) -> Trail:
        """The next `updates` steps under one λ; weights, optimizer and place in the data are put back."""
        model = self._run.net.model
        weights, moments = list(tree_flatten(model.trainable_parameters())), self._stepper.optimizer_arrays()
        place = (self._step, self._micro_batches)
        regularizer.hold(lambda_)
        watched, losses = [regularizer.watch(self._stepper.weights())], []
        for _ in range(min(updates, self.plan.steps - self._step)):
            self._add_micro_batches()
            try:
                losses.append(self._stepper.update(self._rate()).loss_nats)
            except DivergedError:
                break
            self._step += 1
            watched.append(regularizer.watch(self._stepper.weights()))
        self._step, self._micro_batches = place
        model.load_weights(weights, strict=False)
        self._stepper.restore_optimizer(moments)
        return Trail(watched, losses)

    def _peak_memory(self) -> int:
        """The most that MLX has held so far; decoding for a monitor begins to count anew."""
        self._peak_bytes = max(self._peak_bytes, mx.get_peak_memory())
        return self._peak_bytes

    def _next_items(self) -> tuple[list[Any], int]:
        """The items of the next micro-batch by length, and how many of them are replay."""
        number, index = divmod(self._micro_batches, self._order.batches_per_epoch)
        if self._epoch[0] != number:
            self._epoch = (number, self._order.epoch(number))
        plan = self._epoch[1][index]
        self._micro_batches += 1
        corpus = self._run.corpus
        items = [corpus.train[row] for row in plan.train] + [corpus.replay[row] for row in plan.replay]
        return sorted(items, key=lambda item: item.length), len(plan.replay)

    def _observe(self, loss_nats: float) -> None:
        """Let the regularizer measure; what it says of stopping is a witness, not a verdict."""
        regularizer = self._run.hooks.regularizer
        if regularizer is None or self._step % regularizer.every:
            return
        found = regularizer.observe(self._step, loss_nats, self._stepper.weights())
        self._witness = found.stop
        self._note(regularizer.name, found)

    def _look(self) -> None:
        """Evaluate, let monitors measure, and save, each where it is due after this step."""
        settings = self._run.settings
        last = self._step == self.plan.steps
        due = self._step % settings.steps_per_eval == 0 or last
        best = due and len(self._valid) > 0 and self._evaluate()
        for monitor in self._run.hooks.monitors:
            if monitor.is_due(self._step, evaluated=due, last=last):
                self._measure(monitor)
        if self._too_long():
            self._stop = f"{settings.stopping.max_minutes:g} minutes of training are over"
        if self._step > 0 and not last and (best or self._step % settings.save_every == 0):
            self._checkpoint("best" if best else "periodic")

    def _evaluate(self) -> bool:
        """Measure the held-out loss; whether it is the best so far."""
        self._pulse.say("evaluating", self._step)
        run = self._run
        found = evaluate(run.net, run.hooks.objective, self._valid, run.settings.batch_size, run.ranks)
        self._evaluated = (self._step, found.loss_nats)
        best = self._best is None or found.loss_nats < self._best[1]
        if best:
            self._best = (self._step, found.loss_nats)
        values: dict[str, float | None] = {
            "loss_nats": found.loss_nats,
            **({"perplexity": found.perplexity} if run.hooks.objective.per_token else {}),
            "weight": float(found.weights.sum()),
            "best": float(best),
            **found.metrics,
        }
        if self._reference is not None:
            gain = improvement(self._reference, found)
            values |= {"improvement_nats": gain.nats, "improvement_half_width_nats": gain.half_width}
            self._misses = 0 if gain.is_real else self._misses + 1
        if self._reference is None or self._misses == 0:
            self._reference = found
        self._log.metric(self._step, "valid", values)
        self._check_patience()
        return best

    def _check_patience(self) -> None:
        patience = self._run.settings.stopping.patience
        if not patience or self._misses < patience or self._best is None:
            return
        witness = f"; second witness: {self._witness}" if self._witness else ""
        self._stop = (
            f"held-out loss has not gone down by more than its 95 % interval for {self._misses} evaluations "
            f"(best {self._best[1]:.4f} nats at step {self._best[0]}){witness}"
        )

    def _measure(self, monitor: Any) -> None:
        """One monitor on the first rank; what it draws or changes in the model's mode leaves no trace."""
        if not self._run.ranks.is_first:
            return
        self._pulse.say("evaluating", self._step, monitor.name)
        self._peak_memory()
        run = self._run
        run.net.model.eval()
        context = MonitorContext(
            run.folder.run_id,
            self._step,
            self.plan.steps,
            run.loaded,
            run.net,
            run.hooks.objective,
            run.folder.path,
            self._save_adapter,
            self._valid_loss(),
        )
        found = monitor.measure(context)
        run.net.model.train()
        self._note(monitor.name, found)
        if found.stop is not None:
            self._stop = found.stop

    def _note(self, source: str, found: Findings) -> None:
        """Findings as records of this step."""
        if found == Findings() or (source, self._step) in self._log.said.metrics:
            return
        for record in found.records:
            self._log.write(record)
        for generation in found.generations:
            self._log.once(generation)
        for score in found.scores:
            self._log.once(score)
        for generation in found.generations:
            self._log.sample(self._step, source, generation.id)
        for name, level, words in found.events:
            self._log.event(self._step, name, words, level)
        self._log.metric(self._step, source, found.values, found.words)

    def _too_long(self) -> bool:
        minutes = self._run.settings.stopping.max_minutes
        return minutes > 0 and self._seconds() > 60.0 * minutes

    def _seconds(self) -> float:
        """Time spent in all processes of the run."""
        return self._elapsed_s + time.monotonic() - self._began_s

    def _set_learning_rate(self, peak: float) -> str:
        """Change the peak; the schedule's shape carries on."""
        self._peak = peak
        return f"learning_rate is {peak:g} (now {self._rate():.3g} by the schedule)"

    def _forget_held_out(self) -> None:
        """Look for the best anew: held-out losses so far are of another kind than those to come."""
        self._best = self._evaluated = self._reference = None
        self._misses = 0

    # Checkpoints: the first rank writes.

    def _checkpoint(self, reason: str) -> None:
        """Write a checkpoint that can be gone on from."""
        if not self._run.ranks.is_first:
            return
        self._pulse.say("saving", self._step)
        settings, folder = self._run.settings, self._run.folder
        adapter = self._save_adapter()
        path = folder.checkpoint(settings.name, self._step)
        # Flushed together with every line before it: what the state builds on is then on the disk.
        self._log.write(adapter, durable=True)
        state = self._state(reason)
        checkpoints.save_state(path, state, self._stepper.optimizer_arrays())
        write_ledger(folder.ledger, self._seen())
        self._log.checkpoint(self._step, str(path), adapter.id, reason, state.valid_loss_nats)
        best = folder.checkpoint(settings.name, state.best_step or 0)
        checkpoints.prune(folder.checkpoints, settings.keep_states, settings.fine_tune_type == "full", best)

    def _save_adapter(self) -> AdapterRecord:
        """The weights of this step as an adapter on the disk."""
        settings, folder = self._run.settings, self._run.folder
        path = folder.checkpoint(settings.name, self._step)
        said = {
            **adapter_settings(self._run.loaded, settings),
            "run_id": folder.run_id,
            "step": self._step,
            "objective": settings.objective,
            "learning_rate": settings.learning_rate,
            "seed": settings.seed,
        }
        checkpoints.save_adapter(path, self._run.net.model, said)
        return read_adapter(path).record

    def _state(self, reason: str) -> State:
        best_step, best_loss = self._best or (None, None)
        reference = self._reference
        return State(
            step=self._step,
            micro_batches=self._micro_batches,
            peak_learning_rate=self._peak,
            elapsed_s=self._seconds(),
            reason=reason,
            model_id=self._run.loaded.record.id,
            data_sha256=self._run.corpus.sha256,
            valid_loss_nats=self._valid_loss(),
            best_step=best_step,
            best_loss_nats=best_loss,
            reference=None if reference is None else (reference.totals.tolist(), reference.weights.tolist()),
            misses=self._misses,
            witness=self._witness,
            stop=self._stop,
            hooks={name: dict(hook.state()) for name, hook in self._stateful.items()},
        )

    def _valid_loss(self) -> float | None:
        """The held-out loss of the weights as they are, where it was measured."""
        return self._evaluated[1] if self._evaluated and self._evaluated[0] == self._step else None

    def _say_checkpoint(self, path: Path, state: State) -> None:
        """A kill between the writing of a checkpoint and of its record leaves the record for now."""
        adapter = read_adapter(path).record
        self._log.write(adapter)
        self._log.checkpoint(state.step, str(path), adapter.id, state.reason, state.valid_loss_nats)

    def _seen(self) -> Sequence[str]:
        """Hashes of the training examples of all micro-batches so far."""
        train = self._run.corpus.train
        epochs, index = divmod(self._micro_batches, self._order.batches_per_epoch)
        if epochs:
            return [item.sha256 for item in train]
        return [train[row].sha256 for plan in self._order.epoch(0)[:index] for row in plan.train]

    def _end(self, name: EndName, words: str) -> Outcome:
        """Save what there is, put the best adapter where people look for it, and say how it ended."""
        best_step, best_loss = self._best or (self._step, None)
        if best_step == 0 < self._step and name != "failed":
            words += (
                "; held-out loss was lowest before the first step, so the adapter is as it began: more or "
                "other data, longer training, or another learning rate"
            )
        adapter: Path | None = None
        if self._run.ranks.is_first:
            if name != "failed":
                self._checkpoint("final" if name == "finished" else "stopped")
            source = self._run.folder.checkpoint(self._run.settings.name, best_step)
            if source.exists():
                adapter = put_in_place(self._run.folder, self._run.settings.adapter_path, source)
            level: Literal["info", "error"] = "error" if name == "failed" else "info"
            self._log.event(self._step, name, words, level, always=True)
        self._pulse.say("ended", self._step, f"{name}: {words}")
        return Outcome(name, words, self._step, adapter, best_step if self._best else None, best_loss)
