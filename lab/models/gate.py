"""The gate: which adapter each row of a forward pass runs on.

A model has one gate, and its gated layers look at it while a pass is being built. Closed, as it is outside of
`lab.decode.forward`, every row is the base.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from lab.errors import LabError
from lab.models.runtime import mx


class Rows:
    """The rows of a pass, not all of them base: each on the base (None) or on one adapter (its id).

    `adapters` are those in use, in order of appearance; `alone` is the one that all rows share, if they do.
    """

    def __init__(self, variants: Sequence[str | None]) -> None:
        self.variants = tuple(variants)
        self.adapters = tuple(dict.fromkeys(v for v in self.variants if v is not None))
        self.alone = self.variants[0] if len(set(self.variants)) == 1 else None
        self.slots: Any = None
        """While experts run on sorted tokens: the row `(tokens · experts,)` that each place came from."""
        self._columns: dict[tuple[tuple[str, int], ...], Any] = {}

    def __len__(self) -> int:
        return len(self.variants)

    def columns(self, owners: tuple[tuple[str, int], ...]) -> Any:
        """The gate `(rows, Σ rank)`, 1 where a column is the row's adapter's; owners are (id, rank)."""
        gate = self._columns.get(owners)
        if gate is None:
            table = [
                [float(variant == owner) for owner, rank in owners for _ in range(rank)]
                for variant in self.variants
            ]
            gate = self._columns[owners] = mx.array(table)
        return gate


@dataclass(frozen=True, slots=True)
class Replacement:
    """One parameter of a full fine-tune: where it stands, the base's array and the tuned one."""

    module: Any
    key: str
    base: Any
    tuned: Any


class Gate:
    """What is attached to a model, and which of it the pass under way uses.

    `modules` are the model's own by name, as they were before anything was attached; `placed` are the gated
    layers that stand in their place now. Low-rank adapters share the base's weights; a full fine-tune
    replaces some of them for the length of a pass, and so needs passes of its own.
    """

    def __init__(self) -> None:
        self.rows: Rows | None = None
        self.low_rank: tuple[str, ...] = ()
        self.full: dict[str, tuple[Replacement, ...]] = {}
        self.modules: dict[str, Any] = {}
        self.placed: tuple[str, ...] = ()
        self._last: Rows | None = None

    def reset(self) -> None:
        """Nothing is attached any more."""
        self.low_rank, self.full, self.placed, self._last = (), {}, (), None

    def shares_weights(self, variants: Sequence[str | None]) -> bool:
        """Whether rows on these variants can be in one batch."""
        return len(set(variants)) == 1 or not any(variant in self.full for variant in variants)

    @contextmanager
    def open(self, variants: Sequence[str | None]) -> Iterator[None]:
        """Build a pass inside, with row i on variant i. Raises LabError for what is not attached."""
        if all(variant is None for variant in variants):
            yield
            return
        if variants[0] in self.full:
            self._refuse_company(variants)
            replacements = self.full[variants[0]]
            for one in replacements:
                one.module[one.key] = one.tuned
            try:
                yield
            finally:
                for one in replacements:
                    one.module[one.key] = one.base
            return
        self.rows = self._rows(variants)
        try:
            yield
        finally:
            self.rows = None

    def _rows(self, variants: Sequence[str | None]) -> Rows:
        """The rows of these variants; the same object as long as they stay the same."""
        if self._last is None or self._last.variants != tuple(variants):
            self._refuse_company(variants)
            for variant in variants:
                if variant is not None and variant not in self.low_rank:
                    raise LabError(f"no adapter {variant[:12]} is attached to this model: attach it first")
            self._last = Rows(variants)
        return self._last

    def _refuse_company(self, variants: Sequence[str | None]) -> None:
        if not self.shares_weights(variants):
            raise LabError(
                "a full fine-tune has weights of its own: its rows cannot be in one batch with any others"
            )
