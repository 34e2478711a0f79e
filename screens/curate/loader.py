"""Cards made ready before they are wanted: read from the store, laid out as texts, kept for a while."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from screens.compare.texts import SideText
from screens.curate.card_texts import CardTexts, card_texts

if TYPE_CHECKING:
    from lab.preference.desk import Card
    from lab.preference.verdicts import Key
    from screens.compare.diff import DiffMode
    from screens.curate.source import CurateSource
    from store.queries.judgements import PairToJudge

KEPT = 64
TokensWanted = Literal["no", "alike", "any"]
"""Texts in tokens: not, where both are of one model (else tokens would tell them apart), or always."""


class Loader:
    """Finds what a card shows; what was found is at hand the next time."""

    def __init__(self, source: CurateSource) -> None:
        self._source = source
        self._pairs: OrderedDict[str, PairToJudge] = OrderedDict()
        self._texts: OrderedDict[tuple[Key, str, DiffMode, TokensWanted], CardTexts] = OrderedDict()

    def at_hand(self, card: Card, rater: str, diff: DiffMode, tokens: TokensWanted) -> CardTexts | None:
        """A card that is ready."""
        return self._texts.get((card.key, rater, diff, tokens))

    async def load(self, card: Card, rater: str, diff: DiffMode, tokens: TokensWanted) -> CardTexts | None:
        """A card, read where it is not at hand; None when an answer is not in the store."""
        found = self.at_hand(card, rater, diff, tokens)
        if found is None:
            await self._read([card])
            pair = self._pairs.get(card.pair_id)
            if pair is None:
                return None
            read = await self._tokens(pair, tokens)
            found = await asyncio.to_thread(card_texts, card, pair, rater, diff, read)
            self._keep((card.key, rater, diff, tokens), found)
        return found

    async def prepare(self, cards: Iterable[Card], rater: str, diff: DiffMode, tokens: TokensWanted) -> None:
        """Have these cards ready."""
        wanted = [card for card in cards if self.at_hand(card, rater, diff, tokens) is None]
        await self._read(wanted)
        for card in wanted:
            await self.load(card, rater, diff, tokens)

    async def _read(self, cards: Iterable[Card]) -> None:
        unknown = [card.pair_id for card in cards if card.pair_id not in self._pairs]
        if unknown:
            for pair in await self._source.pairs(unknown):
                self._pairs[pair.pair_id] = pair
            while len(self._pairs) > KEPT:
                self._pairs.popitem(last=False)

    async def _tokens(self, pair: PairToJudge, wanted: TokensWanted) -> tuple[SideText, SideText] | None:
        """Both texts in tokens; None where they are not wanted, and where either has no trace."""
        from screens.compare.texts import side_text
        from screens.live.stored import answer_of

        alike = pair.first.model_id == pair.second.model_id
        if wanted == "no" or (wanted == "alike" and not alike):
            return None
        sides = []
        for answer in (pair.first, pair.second):
            stored = await self._source.generation(answer.generation_id)
            if stored is None or stored.generation.trace is None:
                return None
            sides.append(side_text(answer_of(stored)))
        return sides[0], sides[1]

    def _keep(self, key: tuple[Key, str, DiffMode, TokensWanted], texts: CardTexts) -> None:
        self._texts[key] = texts
        while len(self._texts) > KEPT:
            self._texts.popitem(last=False)
