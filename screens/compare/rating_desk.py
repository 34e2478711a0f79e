"""Ratings of the pair that is shown: what was given before, and what a key gives now."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from lab.compare.ratings import SCALES
from screens.compare.desk import SIDES
from screens.compare.pair import Pair
from screens.raters import account_name
from store.ids import new_id, utc_now
from store.records import RatingRecord, SideName

if TYPE_CHECKING:
    from store.queries import RatingRow

Order = tuple[SideName, SideName]
"""Which side stands in the left and which in the right pane."""


class RatingDesk:
    """The ratings of one person; `rated` holds the places of pairs that have any."""

    def __init__(self) -> None:
        self.rater = account_name()
        self.rated: set[int] = set()
        self._given: dict[tuple[str, str], int] = {}

    def take(self, rows: Iterable[RatingRow]) -> None:
        """The ratings that the store keeps of a comparison."""
        own = [row for row in rows if row.rater == self.rater]
        self._given = {(row.generation_id, row.scale): row.value for row in own}
        self.rated = {row.place for row in own if row.place is not None}

    def on_screen(self, pair: Pair, order: Order) -> dict[tuple[SideName, str], int]:
        """What was given to a pair, by the pane in which an answer stands."""
        found: dict[tuple[SideName, str], int] = {}
        for pane, side in zip(SIDES, order, strict=True):
            answer = pair.answer(side)
            for scale in SCALES:
                value = self._given.get((answer.generation_id or "", scale)) if answer else None
                if value is not None:
                    found[pane, scale] = value
        return found

    def give(
        self, pair: Pair, order: Order, pane: SideName, scale: str, value: int | None, *, blind: bool
    ) -> RatingRecord | None:
        """The record of a rating given (None: taken back) to the answer in a pane; None without an answer."""
        here = SIDES.index(pane)
        answer, other = pair.answer(order[here]), pair.answer(order[1 - here])
        if answer is None or answer.generation_id is None:
            return None
        if value is None:
            self._given.pop((answer.generation_id, scale), None)
        else:
            self._given[answer.generation_id, scale] = value
            self.rated.add(pair.place)
        return RatingRecord(
            id=new_id(),
            comparison_id=pair.comparison_id,
            generation_id=answer.generation_id,
            other_generation_id=other.generation_id if other else None,
            scale=scale,
            value=value,
            rater=self.rater,
            blind=blind,
            shown=pane,
            at=utc_now(),
        )
