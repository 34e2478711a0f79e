"""Who judges, which pairs come, and which card lay there last: kept in the lab's state, asked in windows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

from lab.safetext import encodable, safe_line
from screens.formats import plural
from screens.raters import account_name

if TYPE_CHECKING:
    from lab.preference.desk import Card
    from screens.app import LanternApp
    from screens.curate.source import CurateSource
    from store.queries.judgements import QueuedPair, QueueFilter, Strategy


class Choosing:
    """The choices of this home."""

    def __init__(self, lab: LanternApp, source: CurateSource) -> None:
        self._lab, self._source = lab, source

    @property
    def rater(self) -> str:
        return encodable(self._lab.state.rater) or account_name()

    @property
    def strategy(self) -> Strategy:
        from lab.preference.queue import STRATEGIES

        name = self._lab.state.queue
        return cast("Strategy", name) if name in STRATEGIES else "new"

    @property
    def which(self) -> QueueFilter:
        """The filter, from the state: "battery core", "source sweep" …"""
        from store.queries.judgements import QueueFilter

        named: dict[str, list[str]] = {"battery": [], "source": [], "stratum": []}
        for entry in self._lab.state.queue_only:
            kind, _, value = entry.partition(" ")
            named.get(kind, []).append(value)
        return QueueFilter(tuple(named["battery"]), tuple(named["source"]), tuple(named["stratum"]))

    @property
    def only_words(self) -> str:
        """What is chosen, in few words; nothing where all pairs come."""
        chosen = [entry.partition(" ")[2] for entry in self._lab.state.queue_only]
        return chosen[0] if len(chosen) == 1 else f"{len(chosen)} kinds" if chosen else ""

    async def queued(self, rater: str, limit: int) -> Sequence[QueuedPair]:
        """The first of the queue; nothing of one that was changed for another while the store was asked."""
        wanted = self.strategy, self.which
        found = await self._source.queue(rater, *wanted, limit)
        return found if wanted == (self.strategy, self.which) else ()

    async def count_queue(self, rater: str) -> int:
        return await self._source.count_queue(rater, self.strategy, self.which)

    # -- the card that lay there -----------------------------------------------------------------------------

    def keep_card(self, rater: str, card: Card) -> None:
        """Note a card in the state, which `LanternApp.remember` writes down."""
        place = [rater, card.pair_id, card.first_id, card.second_id, str(card.pass_number)]
        self._lab.state.card = place

    def kept_card(self, rater: str) -> Card | None:
        """The card that was noted for this rater."""
        from lab.preference.desk import Card

        kept = self._lab.state.card
        if len(kept) != 5 or kept[0] != rater or not kept[4].isdecimal():
            return None
        return Card(kept[1], kept[2], kept[3], int(kept[4]))

    # -- asking ----------------------------------------------------------------------------------------------

    async def ask_rater(self, changed: Callable[[], None]) -> None:
        """Ask who judges; `changed` is called for somebody else."""
        from screens.dialogs import LineDialog

        known = await self._source.raters()
        listed = ", ".join(f"{safe_line(name)} ({plural(n, 'verdict')})" for name, n in known[:8])
        note = "Each rater has a log, a queue and sides of their own."

        def take(name: str | None) -> None:
            if name and name != self.rater:
                self._lab.state.rater = name
                changed()

        said = f"{note} So far: {listed}." if listed else note
        self._lab.windows.open(LineDialog, take, "Who judges?", said, self.rater)

    async def ask_only(self, changed: Callable[[], None]) -> None:
        """Ask which pairs are to come."""
        from screens.dialogs import Choice, ChoiceDialog

        facets = await self._source.facets()
        named = [(f"{facet.kind} {facet.value}", facet.n) for facet in facets]
        choices = [Choice(name, name, n) for name, n in named]

        def take(chosen: tuple[str, ...] | None) -> None:
            if chosen is not None:
                self._lab.state.queue_only = list(chosen)
                changed()

        self._lab.windows.open(ChoiceDialog, take, "Which pairs?", choices, self._lab.state.queue_only)

    def take_next_strategy(self) -> None:
        from lab.preference.queue import STRATEGIES

        names = list(STRATEGIES)
        name = names[(names.index(self.strategy) + 1) % len(names)]
        self._lab.state.queue = name
        self._lab.tell(f"Queue: {STRATEGIES[name][0]}. These are {STRATEGIES[name][1]}.")

    def take_only(self, stratum: str) -> None:
        """New pairs of this stratum alone."""
        self._lab.state.queue, self._lab.state.queue_only = "new", [f"stratum {stratum}"]
