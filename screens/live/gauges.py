"""The gauges at the side of Live: predictive entropy, word entropy, one token, the answer's facts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical

from screens.live.facts import AnswerFacts
from screens.live.readings import entropy_reading
from screens.live.token_panel import TokenPanel
from screens.widgets.gauge import EntropyGauge
from screens.widgets.thermometer import WordThermometer

if TYPE_CHECKING:
    from lab.decode.types import TokenStat
    from lab.measure.zones import ZoneTable
    from screens.workbench import Answer


class GaugePane(Vertical):
    """Draws an answer's numbers. What is costly (the words) is a method of its own, called less often."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, classes="pane")
        self.border_title = "Gauges"
        self._zones: ZoneTable | None = None

    def compose(self) -> ComposeResult:
        yield EntropyGauge()
        yield WordThermometer()
        yield TokenPanel()
        yield AnswerFacts()

    def set_zones(self, zones: ZoneTable) -> None:
        self._zones = zones
        self.query_one(WordThermometer).set_table(zones)

    def show_answer(self, answer: Answer | None, vocab_size: int | None) -> None:
        self.query_one(EntropyGauge).show(entropy_reading(answer.tokens if answer else (), vocab_size))
        self.query_one(AnswerFacts).show(answer)

    def show_token(self, token: TokenStat | None, *, under_cursor: bool) -> None:
        self.query_one(TokenPanel).show(token, under_cursor)

    def show_words(self, answer: Answer | None) -> None:
        """Word entropy of the text so far: one pass over it."""
        from lab.measure.words import measure
        from lab.measure.zones import zone_of

        thermometer = self.query_one(WordThermometer)
        if answer is None or not answer.tokens or self._zones is None:
            thermometer.show(None)
            return
        words = measure(answer.text)
        thermometer.show(words, zone_of(words.word_entropy_nats, words.words, self._zones))
