"""The rows of a decode: what is asked for, and one answer under way."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from lab.decode.look import Draw
from lab.decode.statistics import StepStatistics
from lab.decode.text import TextStream, TokenTexts
from lab.decode.types import Alternative, Finish, Sampling, TokenStat
from lab.models.runtime import mx
from store.records import FinishReason


@dataclass(frozen=True, slots=True)
class Row:
    """One answer to decode.

    `prefix_token_ids` is how the answer begins, when it is branched off another. `variant` is the id of the
    attached adapter that the row runs on; None is the model as loaded.
    """

    prompt_ids: Sequence[int]
    sampling: Sampling
    seed: int
    alternatives: int = 5
    prefix_token_ids: tuple[int, ...] = ()
    variant: str | None = None


class Memory:
    """The most memory that a decode has held: MLX's count of its own, and the keys and values in NumPy."""

    def __init__(self) -> None:
        self._host_bytes = 0
        mx.reset_peak_memory()

    def note(self, host_bytes: int) -> None:
        """So much is held outside of MLX now."""
        self._host_bytes = max(self._host_bytes, host_bytes)

    def peak_bytes(self) -> int:
        """Weights included."""
        return max(mx.get_peak_memory(), mx.get_active_memory()) + self._host_bytes


class Answer:
    """An answer under way: counts its tokens, turns them into text, and knows when it is over."""

    def __init__(
        self, index: int, row: Row, eos: set[int], text: TextStream, names: TokenTexts, memory: Memory
    ) -> None:
        self.index = index
        self.row = row
        self.length = 0
        self.prefill_ms = 0.0
        self._eos = eos
        self._text = text
        self._names = names
        self._memory = memory
        self._held: TokenStat | None = None
        self._began = time.perf_counter()

    def draw(self, given: int | None = None) -> Draw:
        """What this row asks of its next step. The step is the position in the answer, so that a branch with
        the same seed draws as its parent did."""
        return Draw(self.row.sampling, self.row.seed, self.length, self.row.alternatives, given)

    def ends_with(self, token_id: int) -> bool:
        """Whether this token ends the answer; it is then no part of it."""
        return token_id in self._eos

    @property
    def full(self) -> bool:
        """Whether the answer has all the tokens it may have."""
        return self.length >= self.row.sampling.max_tokens

    def prefilled(self) -> None:
        """The prompt has been read."""
        self.prefill_ms = self._elapsed_ms()

    def add(
        self, token_id: int, statistics: StepStatistics, sampling_entropy_nats: float
    ) -> Iterator[TokenStat]:
        """Take a token; yields what can be shown.

        A token that ends inside a character is held back until the next, for only then is it certain whether
        its text is empty or, at the end of the answer, what is left of the character.
        """
        stat = TokenStat(
            index=self.length,
            token_id=token_id,
            text=self._text.add(token_id),
            entropy_nats=statistics.entropy_nats,
            sampling_entropy_nats=sampling_entropy_nats,
            surprisal_nats=statistics.surprisal_nats,
            p_top1=statistics.p_top1,
            margin=statistics.margin,
            rank=statistics.rank,
            alternatives=tuple(Alternative(i, self._names[i], p) for i, p in statistics.alternatives),
        )
        self.length += 1
        yield from self._release()
        if self._text.pending:
            self._held = stat
        else:
            yield stat

    def finish(self, reason: FinishReason) -> Iterator[TokenStat | Finish]:
        """The end: the token held back, if any, then what the answer cost."""
        yield from self._release(self._text.flush())
        yield Finish(
            reason=reason,
            prompt_tokens=len(self.row.prompt_ids),
            prefill_ms=self.prefill_ms,
            wall_ms=self._elapsed_ms(),
            peak_memory_bytes=self._memory.peak_bytes(),
        )

    def _release(self, rest: str = "") -> Iterator[TokenStat]:
        if self._held is not None:
            yield replace(self._held, text=rest)
            self._held = None

    def _elapsed_ms(self) -> float:
        return (time.perf_counter() - self._began) * 1e3
