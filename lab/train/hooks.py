"""What the loop calls and others provide: objectives, regularizers, monitors. Names and shapes only.

Trees are MLX parameter trees (nested dicts and lists of arrays); arrays are typed Any because MLX's stubs
cannot say their shapes. States are plain values that JSON can hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from store.records import AdapterRecord, EventLevel, GenerationRecord, Record, ScoreRecord

if TYPE_CHECKING:
    from lab.models.load import LoadedModel
    from lab.train.net import Net
    from lab.train.ranks import Ranks
    from lab.train.settings import TrainSettings

Array = Any
Tree = Any


class Item(Protocol):
    """One thing to learn from: an example, or a pair.

    `length` is what length buckets go by: all its tokens; `learned` are those that the loss counts.
    """

    @property
    def length(self) -> int: ...
    @property
    def learned(self) -> int: ...
    @property
    def sha256(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Corpus:
    """What a run learns from, is tested on and practices beside it.

    `notices` are for people, a line each; `sha256` hashes the files.
    """

    train: Sequence[Any]
    valid: Sequence[Any]
    replay: Sequence[Any]
    notices: tuple[str, ...]
    sha256: str


@dataclass(frozen=True, slots=True)
class Losses:
    """The loss of every item of a batch, `(items,)` each: a sum, what it is to be divided by, and metrics.

    A step's loss is Σ totals / Σ weights over its micro-batches and ranks. A metric has a value for each of
    the items it can be told of, `(some,)`, and is averaged over these.
    """

    totals: Array
    weights: Array
    metrics: Mapping[str, Array] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Preparation:
    """The model as it was loaded, in evaluation mode, with nothing made trainable yet.

    `cache` is a directory for what can be computed again; `say` tells people how far things are.
    """

    loaded: LoadedModel
    net: Net
    corpus: Corpus
    cache: Path
    ranks: Ranks
    say: Callable[[str], None]


class Objective(Protocol):
    """What is minimized, and what it is computed from.

    `per_token`: whether the loss is in nats per token, of which a perplexity can be made.
    """

    name: str
    per_token: bool

    def read(self, loaded: LoadedModel, settings: TrainSettings) -> Corpus:
        """Read the data. Raises LabError when there is nothing to train on."""

    def prepare(self, preparation: Preparation) -> str | None:
        """Compute what needs the untouched model, on every rank; what was done, in words."""

    def foresee(self, net: Net, items: Sequence[Any], ranks: Ranks) -> None:
        """Hear all the items of a micro-batch, on every rank, before parts of them come to `losses`."""

    def collate(self, items: Sequence[Any]) -> Any:
        """A batch of items as arrays, padded on the right."""

    def losses(self, net: Net, batch: Any) -> Losses:
        """The losses of a batch; differentiable where the model is in training mode."""

    def metric_names(self) -> Sequence[str]:
        """The metrics that `losses` may give now, the same on every rank."""

    def observe(self, step: int, metrics: Mapping[str, float]) -> Findings:
        """Hear what an update's metrics were; values and words go into the record of the step."""

    def set(self, key: str, value: object) -> str:
        """Change a setting during a run; what was done, in words. Raises LabError for what cannot be."""

    def state(self) -> Mapping[str, Any]:
        """What `restore` needs."""

    def restore(self, state: Mapping[str, Any]) -> None: ...


@dataclass(frozen=True, slots=True)
class Findings:
    """What a regularizer or monitor measured; it becomes records of the run. `stop` is a reason to end it.

    `events` are (name, level, words); `records` (such as a ConditionRecord) are written before `generations`,
    `scores` of these behind them. The ids of both follow from run and step (see `store.ids.derived_id`), so
    that a run that is gone on with does not say them twice.
    """

    values: Mapping[str, float | None] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)
    records: Sequence[Record] = ()
    generations: Sequence[GenerationRecord] = ()
    scores: Sequence[ScoreRecord] = ()
    events: Sequence[tuple[str, EventLevel, str]] = ()
    stop: str | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """Updates made to learn what λ can do, and taken back: `updates` of them under each of `lambdas`."""

    lambdas: tuple[float, ...]
    updates: int


@dataclass(frozen=True, slots=True)
class Trail:
    """What came of a trial under one λ: what λ is to move, before the first update and after each; losses."""

    watched: Sequence[float]
    losses_nats: Sequence[float]


class Regularizer(Protocol):
    """A term of λ on the trainable weights, and the controller that moves λ."""

    name: str
    every: int

    def begin(self, initial: Tree, planned_tokens: int) -> None:
        """Hear the weights before the first step, also when a run is gone on with."""

    def trial(self) -> Trial | None:
        """What is to be tried before the next step; None: nothing."""

    def hold(self, lambda_: float) -> None:
        """Use this λ for the updates of a trial."""

    def watch(self, trainable: Tree) -> float:
        """What λ is to move, of these weights."""

    def judge(self, trails: Sequence[Trail], trainable: Tree) -> Findings:
        """Hear what came of a trial, one trail for each of its λ; the weights are again what they were."""

    def penalty(self, trainable: Tree) -> Array | None:
        """The coupled term, a scalar in nats per token, added to the step's loss; None: there is none."""

    def shrink(self, trainable: Tree, learning_rate: float) -> Tree:
        """The weights after the decoupled term, which acts behind the optimizer's update."""

    def observe(self, step: int, loss_nats: float, trainable: Tree) -> Findings:
        """Measure after an update and move λ for those to come; called every `every` steps."""

    def set(self, key: str, value: object) -> str: ...
    def state(self) -> Mapping[str, Any]: ...
    def restore(self, state: Mapping[str, Any]) -> None: ...


@dataclass(frozen=True, slots=True)
class MonitorContext:
    """What a monitor may use. `loaded.model` has the weights of this step, in evaluation mode.

    `adapter()` gives the record of these weights as an adapter; it saves a checkpoint if there is none.
    `valid_loss_nats` is the held-out loss, where it was measured at this very step.
    """

    run_id: str
    step: int
    planned_steps: int
    loaded: LoadedModel
    net: Net
    objective: Objective
    folder: Path
    adapter: Callable[[], AdapterRecord]
    valid_loss_nats: float | None = None


class Monitor(Protocol):
    """Something measured on the way, such as answers to pinned probes."""

    name: str

    def is_due(self, step: int, *, evaluated: bool, last: bool) -> bool:
        """Whether to measure after this step; `evaluated` where held-out loss is measured after it."""

    def measure(self, context: MonitorContext) -> Findings: ...
    def set(self, key: str, value: object) -> str: ...
    def state(self) -> Mapping[str, Any]: ...
    def restore(self, state: Mapping[str, Any]) -> None: ...


@dataclass(frozen=True, slots=True)
class Hooks:
    """Everything of a run that is not the loop itself."""

    objective: Objective
    regularizer: Regularizer | None = None
    monitors: tuple[Monitor, ...] = ()
